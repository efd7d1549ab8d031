(module $subprogram
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "table" (table 1 funcref))
  (import "runtime" "cpu" (global (mut i32)))
  (import "runtime" "fuel" (global (mut i64)))
  (func $program (param $r1 i64) (result i64)
    (local $r0 i64) (local $r2 i64) (local $r3 i64) (local $r4 i64) (local $r5 i64) (local $r6 i64) (local $r7 i64) (local $r8 i64) (local $r9 i64) (local $fp i32)
    global.get 0
    i32.load offset=4
    local.set $fp
    local.get $r1
    local.set $r6
    local.get $r1
    local.get $r2
    local.get $r3
    local.get $r4
    local.get $r5
    local.get $fp
    i32.const 512
    i32.sub
    call $part
    local.set $r0
    local.get $r0
    local.get $r6
    i64.add
    local.set $r0
    local.get $r0
    return
    unreachable
  )
  (func $part (param $r1 i64) (param $r2 i64) (param $r3 i64) (param $r4 i64) (param $r5 i64) (param $fp i32) (result i64)
    (local $r0 i64) (local $r6 i64) (local $r7 i64) (local $r8 i64) (local $r9 i64) (local $t64 i64)
    global.get 1
    i64.const -4
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
    local.get $r1
    i32.wrap_i64
    i32.const -8
    i32.add
    i64.load32_u
    local.set $r2
    local.get $fp
    local.get $r2
    i64.store offset=504
    local.get $fp
    i64.load32_u offset=504
    local.set $r0
    local.get $r0
    return
    unreachable
  )
  (export "program" (func $program))
)
