(module $checksumLoop
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "table" (table 1 funcref))
  (import "runtime" "cpu" (global (mut i32)))
  (import "runtime" "fuel" (global (mut i64)))
  (func $program (param $r1 i64) (result i64)
    (local $r0 i64) (local $r2 i64) (local $r3 i64) (local $r4 i64) (local $r5 i64) (local $r6 i64) (local $r7 i64) (local $r8 i64) (local $r9 i64) (local $fp i32) (local $fuel i64) (local $t32 i32)
    global.get 1
    local.set $fuel
    local.get $r1
    i32.wrap_i64
    i64.load32_u offset=4
    local.set $r3
    local.get $r1
    i32.wrap_i64
    i64.load32_u
    local.set $r2
    i64.const 0
    local.set $r0
    block
      loop
        local.get $fuel
        i64.const -7
        i64.add
        local.set $fuel
        local.get $fuel
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
        local.get $r2
        local.set $r4
        local.get $r4
        i64.const 2
        i64.add
        local.set $r4
        local.get $r4
        local.get $r3
        i64.gt_u
        br_if 1
        local.get $r2
        i32.wrap_i64
        i64.load16_u
        local.set $r5
        local.get $r0
        local.get $r5
        i64.add
        local.set $r0
        local.get $r4
        local.set $r2
        br 0
      end
    end
    local.get $r0
    local.set $r1
    local.get $r1
    i64.const 16
    i64.shr_u
    local.set $r1
    local.get $r0
    i64.const 65535
    i64.and
    local.set $r0
    local.get $r0
    local.get $r1
    i64.add
    local.set $r0
    local.get $r0
    i32.wrap_i64
    local.tee $t32
    i32.const 8
    i32.shl
    i32.const 65280
    i32.and
    local.get $t32
    i32.const 8
    i32.shr_u
    i32.const 255
    i32.and
    i32.or
    i64.extend_i32_u
    local.set $r0
    local.get $fuel
    global.set 1
    local.get $r0
    return
    unreachable
  )
  (export "program" (func $program))
)
