(module $tailCall
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "table" (table 1 funcref))
  (import "runtime" "cpu" (global (mut i32)))
  (import "runtime" "fuel" (global (mut i64)))
  (func $program (param $r1 i64) (result i64)
    (local $r0 i64) (local $r2 i64) (local $r3 i64) (local $r4 i64) (local $r5 i64) (local $r6 i64) (local $r7 i64) (local $r8 i64) (local $r9 i64) (local $fp i32) (local $t32 i32) (local $t64 i64)
    global.get 0
    i32.load offset=4
    local.set $fp
    local.get $r1
    local.set $r6
    local.get $r1
    i32.wrap_i64
    i64.load32_u offset=16
    local.set $r3
    i64.const 65536
    local.set $r2
    block
      local.get $r3
      i32.wrap_i64
      i32.const 256
      i32.ge_u
      br_if 0
      global.get 0
      i32.load offset=16
      i32.const 33
      i32.ge_u
      br_if 0
      local.get $r3
      i32.wrap_i64
      i32.const 2
      i32.shl
      i32.const 131072
      i32.add
      i32.load
      local.tee $t32
      i32.eqz
      br_if 0
      global.get 0
      global.get 0
      i32.load offset=16
      i32.const 1
      i32.add
      i32.store offset=16
      global.get 1
      i64.const -256
      i64.add
      local.set $t64
      local.get $t64
      global.set 1
      local.get $t64
      i64.const 0
      i64.lt_s
      if
        global.get 0
        i32.const 1
        i32.store offset=264
        global.get 0
        i32.const 0
        i32.store offset=268
        unreachable
      end
      global.get 0
      local.get $fp
      i32.store offset=4
      local.get $r1
      local.get $t32
      return_call_indirect (type 0)
    end
    i64.const 2
    local.set $r0
    local.get $r0
    return
    unreachable
  )
  (export "program" (func $program))
)
