import { defineProblems } from "../../problem/index.ts";

/** What can be wrong with an object file. Those of the second half let the object be opened: they stand in `ObjectFile.warnings`. */
export const elfProblems = defineProblems({
  elf_not_elf: { message: "this is not an ELF file", hint: "give an object that clang -target bpf -c wrote" },
  elf_not_64: { message: "this ELF file is not of class 64 (class byte {class})", hint: "compile with clang -target bpf" },
  elf_bad_byte_order: { message: "this ELF file has byte order {order}, expected 1 (little) or 2 (big)" },
  elf_not_bpf: { message: "the machine is {machine}, expected EM_BPF (247)", hint: "compile with clang -target bpf" },
  elf_not_relocatable: {
    message: "this ELF file has type {type}, expected 1 (relocatable)",
    hint: "give the object that clang -c wrote, not a linked program",
  },
  elf_bad_entry_size: { message: "{what} has entries of {size} bytes, expected {expected}" },
  elf_sections_overlap: { message: "the sections overlap: together they have {stored} bytes, the file has {size}" },
  elf_no_section: { message: "{what} refers to section {index}, but there are {count}" },
  elf_no_symbol: { message: "{what} refers to symbol {index}, but there are {count}" },
  elf_bad_program_size: { message: "section {section} has {size} bytes, which is not a number of whole instructions" },
  elf_bad_function: { message: "function {name} covers bytes {from} to {to} of section {section}, which has {size}" },
  elf_functions_overlap: { message: "functions {first} and {second} of section {section} overlap" },
  elf_half_instruction: { message: "function {name} ends in the middle of a 16-byte load (ld_imm64)" },
  elf_bad_relocation: { message: "relocation against {symbol}: {why}" },
  elf_bad_call: { message: "{name} calls instruction {target} of section {section}, where no function begins" },
  elf_function_too_long: { message: "{name} with its subprograms has more than {limit} instructions" },
  elf_map_needs_btf: {
    message: "section .maps holds maps, but the object has no type information to tell what they are",
    hint: "compile with -g",
  },
  elf_bad_map: { message: "map {map}: {why}" },
  elf_bad_legacy_maps: {
    message: "section {section} has {size} bytes for {count} maps, which does not make a bpf_map_def of 16 bytes or more each",
  },
  elf_program_ambiguous: {
    message: "{file} holds {count} programs of type {type}: {names}",
    hint: "name one of them: {file}:{example}",
    exit: 2,
  },
  elf_program_unknown: { message: "{file} holds no program named {name}", hint: "its programs are {names}" },
  elf_program_other_type: { message: "{name} of {file} is a program of type {actual}, not {wanted}" },
  elf_no_program_of_type: { message: "{file} holds no program of type {wanted}", hint: "its programs are {names}" },
  setting_malformed: { message: "{setting} sets nothing", hint: "write NAME=VALUE or MAP.max_entries=N", exit: 2 },
  setting_unknown: { message: "{file} has no global variable or map that {name} could set", hint: "there are {names}", exit: 2 },
  elf_no_types: {
    message: "this ELF file has no section .BTF",
    hint: "give raw BTF, or a vmlinux that was built with CONFIG_DEBUG_INFO_BTF",
  },
  kconfig_malformed: {
    message: "{text} is no kernel setting",
    hint: 'write CONFIG_NAME=y, =m, =NUMBER or ="TEXT", or give a file of such lines',
    exit: 2,
  },
  setting_entries: { message: "{name}={text}: expected a whole number below 2^32", exit: 2 },
  map_contents_form: {
    message: "{path}: {given} given, expected a list of elements",
    hint: 'write [{ "key": …, "value": … }, …], for a per-CPU map also { "key": …, "values": [{ "cpu": 0, "value": … }] }',
  },

  elf_exception_callback_missing: {
    message: "{program} names {name} as its exception callback, which is no global function of the object",
  },
  elf_big_endian: {
    message: "compiled for a big-endian machine: the code is converted, but its constants compare packets in the other byte order",
    hint: "compile with -target bpfel",
  },
  elf_big_endian_contents: {
    message: "the first values of {map} are in big-endian order and its types are unknown: they are left out",
    hint: "compile with -target bpfel, or with -g",
  },
  elf_data_relocated: {
    message: "section {section} holds pointers ({count}), which no loader fills in: they stay offsets in their section",
  },
  elf_kconfig_unresolved: {
    message: "{name} is a kernel configuration value that is not known here: code that reads it traps",
    hint: "give its value, or declare it __weak, which gives 0",
  },
  elf_kconfig_bad_value: { message: "{name} is {value} in the kernel's configuration, which does not fit its type" },
  elf_symbol_unresolved: { message: "{name} is declared extern and defined nowhere: code that uses it traps" },
  elf_map_field_unknown: { message: "map {map} has a field {field}, which is not known: it is ignored" },
  elf_core_refused: { message: "a relocation that libbpf would refuse the object for traps if it is reached: {why}" },
  elf_core_type_unknown: {
    message: "{target} do not hold {types}: the object's questions about them are answered as if the kernel had none",
    hint: "give a whole kernel's types with --btf, as in --btf /sys/kernel/btf/vmlinux",
  },
  elf_btf_ext_bad: { message: "the source lines are left out: {why}" },
});
