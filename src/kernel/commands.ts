/** enum bpf_cmd, as far as it is used. include/uapi/linux/bpf.h. */
export const BPF_MAP_CREATE = 0;
export const BPF_MAP_LOOKUP_ELEM = 1;
export const BPF_MAP_UPDATE_ELEM = 2;
export const BPF_MAP_DELETE_ELEM = 3;
export const BPF_MAP_GET_NEXT_KEY = 4;
export const BPF_PROG_LOAD = 5;
export const BPF_OBJ_GET = 7;
export const BPF_PROG_TEST_RUN = 10;
export const BPF_BTF_LOAD = 18;
export const BPF_MAP_LOOKUP_AND_DELETE_ELEM = 21;
export const BPF_MAP_FREEZE = 22;

/** enum bpf_prog_type of the program types here. */
export const programTypeNumbers = { socket_filter: 1, sched_cls: 3, xdp: 6 } as const;
