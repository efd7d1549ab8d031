import { defineProblems } from "../../problem/index.ts";

/** What can be wrong with type information, and with a value that is read or written by it. */
export const btfProblems = defineProblems({
  object_cut: {
    message: "{what}: {need} bytes expected here, {have} left in the file",
    hint: "the file may be cut short or damaged: compile it again",
  },
  object_strings_too_long: { message: "the names of {what} are longer than the section that holds them allows" },
  object_string_unterminated: { message: "the name at offset {at} of the string table has no terminating zero" },
  btf_bad_magic: { message: "type information begins with {magic}, expected eb9f" },
  btf_bad_version: { message: "type information has version {version}, expected 1" },
  btf_unknown_kind: {
    message: "type {id} has kind {kind}, which Linux 6.18 does not know",
    hint: "compile with a clang that writes the BTF of Linux 6.18",
  },
  btf_bad_reference: { message: "type {id} ({what}) refers to type {to}, but there are {count}" },
  btf_bad_int: { message: "type {id}: an integer of {bits} bits at bit {offset} does not fit {size} bytes" },
  btf_bad_index: { message: "there is no type {id} (there are {count})" },
  btf_cyclic: { message: "type {id} contains itself" },
  btf_no_size: { message: "type {id} ({what}) has no size" },
  btf_too_large: { message: "type {id} is larger than 2 GiB" },
  btf_text_too_long: { message: "the types take more than {limit} letters in C" },
  btf_ext_bad_record: { message: "{what} has records of {size} bytes, expected at least {least}" },
  value_wrong_size: { message: "{path} has {size} bytes, but its type {type} has {expected}" },
  value_wrong_form: { message: "{path}: {given} given, expected {expected}" },
  value_out_of_range: { message: "{path}: {given} does not fit {type}" },
  value_unknown_member: { message: "{path}: {type} has no member {member}", hint: "its members are {members}" },
  value_unknown_enumerator: { message: "{path}: {type} has no enumerator {given}", hint: "its enumerators are {enumerators}" },
  value_too_many_elements: { message: "{path}: {given} elements given, {type} holds {expected}" },
  value_no_form: { message: "{path} has type {type}, which has no value" },
  value_too_complex: { message: "{path}: the type expands to more than {limit} members" },
  value_member_outside: { message: "{path} ends behind the {size} bytes of its struct" },
});
