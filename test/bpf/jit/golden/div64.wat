(module $div64
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "table" (table 1 funcref))
  (import "runtime" "cpu" (global (mut i32)))
  (import "runtime" "fuel" (global (mut i64)))
  (func $program (param $r1 i64) (result i64)
    (local $r0 i64) (local $r2 i64) (local $r3 i64) (local $r4 i64) (local $r5 i64) (local $r6 i64) (local $r7 i64) (local $r8 i64) (local $r9 i64) (local $fp i32)
    local.get $r1
    local.set $r0
    local.get $r1
    i32.wrap_i64
    i64.load offset=8
    local.set $r2
    local.get $r2
    i64.eqz
    if (result i64)
      i64.const 0
    else
      local.get $r0
      local.get $r2
      i64.div_u
    end
    local.set $r0
    local.get $r2
    i64.eqz
    if (result i64)
      local.get $r0
    else
      local.get $r2
      i64.const -1
      i64.eq
      if (result i64)
        i64.const 0
      else
        local.get $r0
        local.get $r2
        i64.rem_s
      end
    end
    local.set $r0
    local.get $r0
    i64.const 10
    i64.div_u
    local.set $r0
    local.get $r2
    i32.wrap_i64
    i32.eqz
    if (result i32)
      i32.const 0
    else
      local.get $r2
      i32.wrap_i64
      i32.const -1
      i32.eq
      if (result i32)
        i32.const 0
        local.get $r0
        i32.wrap_i64
        i32.sub
      else
        local.get $r0
        i32.wrap_i64
        local.get $r2
        i32.wrap_i64
        i32.div_s
      end
    end
    i64.extend_i32_u
    local.set $r0
    local.get $r0
    return
    unreachable
  )
  (export "program" (func $program))
)
