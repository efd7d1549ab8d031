const names = (prefix: string, lines: readonly string[]): string[] => lines.flatMap((line) => line.split(" ")).map((name) => prefix + name);

/**
 * Kernel functions that Linux 6.18 offers to programs of any type, measured on a kernel whose modules are all built in: what bpf_ksym_exists finds. Which of them a program
 * type may call, and which are built, is said by its table.
 */
export const kfuncNames: ReadonlySet<string> = new Set([
  ...names("bpf_", [
    "arena_alloc_pages arena_free_pages arena_reserve_pages cast_to_kern_ctx cgroup_acquire cgroup_ancestor cgroup_from_id",
    "cgroup_read_xattr cgroup_release copy_from_user_dynptr copy_from_user_str copy_from_user_str_dynptr copy_from_user_task_dynptr",
    "copy_from_user_task_str copy_from_user_task_str_dynptr cpumask_acquire cpumask_and cpumask_any_and_distribute",
    "cpumask_any_distribute cpumask_clear cpumask_clear_cpu cpumask_copy cpumask_create cpumask_empty cpumask_equal cpumask_first",
    "cpumask_first_and cpumask_first_zero cpumask_full cpumask_intersects cpumask_or cpumask_populate cpumask_release cpumask_set_cpu",
    "cpumask_setall cpumask_subset cpumask_test_and_clear_cpu cpumask_test_and_set_cpu cpumask_test_cpu cpumask_weight cpumask_xor",
    "crypto_ctx_acquire crypto_ctx_create crypto_ctx_release crypto_decrypt crypto_encrypt ct_change_status ct_change_timeout",
    "ct_insert_entry ct_release ct_set_nat_info ct_set_status ct_set_timeout dynptr_adjust dynptr_clone dynptr_copy dynptr_from_skb",
    "dynptr_from_skb_meta dynptr_from_xdp dynptr_is_null dynptr_is_rdonly dynptr_memset dynptr_size dynptr_slice dynptr_slice_rdwr",
    "fentry_test1 get_dentry_xattr get_file_xattr get_kmem_cache get_task_exe_file iter_bits_destroy iter_bits_new iter_bits_next",
    "iter_css_destroy iter_css_new iter_css_next iter_css_task_destroy iter_css_task_new iter_css_task_next iter_dmabuf_destroy",
    "iter_dmabuf_new iter_dmabuf_next iter_kmem_cache_destroy iter_kmem_cache_new iter_kmem_cache_next iter_num_destroy iter_num_new",
    "iter_num_next iter_task_destroy iter_task_new iter_task_next iter_task_vma_destroy iter_task_vma_new iter_task_vma_next key_put",
    "kfunc_call_memb_release kfunc_call_test_release list_back list_front list_pop_back list_pop_front list_push_back_impl",
    "list_push_front_impl local_irq_restore local_irq_save lookup_system_key lookup_user_key map_sum_elem_count modify_return_test",
    "modify_return_test2 modify_return_test_tp obj_drop_impl obj_new_impl path_d_path percpu_obj_drop_impl percpu_obj_new_impl",
    "preempt_disable preempt_enable probe_read_kernel_dynptr probe_read_kernel_str_dynptr probe_read_user_dynptr",
    "probe_read_user_str_dynptr put_file rbtree_add_impl rbtree_first rbtree_left rbtree_remove rbtree_right rbtree_root",
    "rcu_read_lock rcu_read_unlock rdonly_cast refcount_acquire_impl remove_dentry_xattr res_spin_lock res_spin_lock_irqsave",
    "res_spin_unlock res_spin_unlock_irqrestore send_signal_task session_cookie session_is_return set_dentry_xattr",
    "sk_assign_tcp_reqsk skb_ct_alloc skb_ct_lookup sock_addr_set_sun_path sock_destroy sock_ops_enable_tx_tstamp strcasecmp strchr",
    "strchrnul strcmp strcspn stream_vprintk_impl strlen strnchr strnlen strnstr strrchr strspn strstr task_acquire task_from_pid",
    "task_from_vpid task_get_cgroup1 task_release task_under_cgroup task_work_schedule_resume_impl task_work_schedule_signal_impl",
    "throw wq_init wq_set_callback_impl wq_start xdp_ct_alloc xdp_ct_lookup xdp_get_xfrm_state xdp_metadata_rx_hash",
    "xdp_metadata_rx_timestamp xdp_metadata_rx_vlan_tag xdp_pull_data xdp_xfrm_state_release",
  ]),
  ...names("", [
    "__bpf_trap bbr_cwnd_event bbr_init bbr_main bbr_min_tso_segs bbr_set_state bbr_sndbuf_expand bbr_ssthresh bbr_undo_cwnd",
    "css_rstat_flush css_rstat_updated cubictcp_acked cubictcp_cong_avoid cubictcp_cwnd_event cubictcp_init cubictcp_recalc_ssthresh",
    "cubictcp_state tcp_cong_avoid_ai tcp_reno_cong_avoid tcp_reno_ssthresh tcp_reno_undo_cwnd tcp_slow_start",
  ]),
]);
