(module $constantKey
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "table" (table 1 funcref))
  (import "runtime" "cpu" (global (mut i32)))
  (import "runtime" "fuel" (global (mut i64)))
  (import "runtime" "mapLookupElem" (func (param i32 i32) (result i32)))
  (func $program (param $r1 i64) (result i64)
    (local $r0 i64) (local $r2 i64) (local $r3 i64) (local $r4 i64) (local $r5 i64) (local $r6 i64) (local $r7 i64) (local $r8 i64) (local $r9 i64) (local $fp i32) (local $t32 i32)
    global.get 0
    i32.load offset=4
    local.set $fp
    block
      local.get $fp
      i32.const 3
      i32.store offset=508
      local.get $fp
      i32.const 512
      i32.add
      i64.extend_i32_u
      local.set $r2
      local.get $r2
      i64.const -4
      i64.add
      local.set $r2
      i64.const 65536
      local.set $r1
      i32.const 131120
      i64.extend_i32_u
      local.set $r0
      local.get $r0
      i64.eqz
      br_if 0
      i64.const 1
      local.set $r1
      i32.const 131128
      local.tee $t32
      i32.const 1073741824
      i32.lt_u
      if
        unreachable
      end
      local.get $t32
      local.get $r1
      i64.atomic.rmw.add
      drop
    end
    i64.const 2
    local.set $r0
    local.get $r0
    return
    unreachable
  )
  (export "program" (func $program))
)
