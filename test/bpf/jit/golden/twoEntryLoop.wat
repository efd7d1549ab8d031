(module $twoEntryLoop
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "table" (table 1 funcref))
  (import "runtime" "cpu" (global (mut i32)))
  (import "runtime" "fuel" (global (mut i64)))
  (func $program (param $r1 i64) (result i64)
    (local $r0 i64) (local $r2 i64) (local $r3 i64) (local $r4 i64) (local $r5 i64) (local $r6 i64) (local $r7 i64) (local $r8 i64) (local $r9 i64) (local $fp i32) (local $fuel i64) (local $dispatch i32)
    global.get 1
    local.set $fuel
    block
      i64.const 0
      local.set $r0
      local.get $r1
      i64.const 5
      i64.gt_u
      if
        i32.const 1
        local.set $dispatch
        br 1
      end
      i32.const 0
      local.set $dispatch
    end
    block
      loop
        block
          block
            local.get $dispatch
            br_table 1 0
          end
          local.get $r0
          i64.const 2
          i64.add
          local.set $r0
          local.get $r0
          i64.const 100
          i64.ge_u
          br_if 2
          i32.const 0
          local.set $dispatch
          br 1
        end
        local.get $fuel
        i64.const -3
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
        local.get $r0
        i64.const 1
        i64.add
        local.set $r0
        i32.const 1
        local.set $dispatch
        br 0
      end
    end
    local.get $fuel
    global.set 1
    local.get $r0
    return
    unreachable
  )
  (export "program" (func $program))
)
