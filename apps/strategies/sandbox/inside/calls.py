"""System calls by name, with their numbers on x86-64 and on 64-bit ARM (- where there is none)."""

from __future__ import annotations

# What Python and numpy need to compute, read the tree and answer on open pipes.
ALLOWED = """
read 0 63, write 1 64, open 2 -, close 3 57, stat 4 -, fstat 5 80, lstat 6 -, poll 7 -,
lseek 8 62, mmap 9 222, mprotect 10 226, munmap 11 215, brk 12 214, rt_sigaction 13 134,
rt_sigprocmask 14 135, rt_sigreturn 15 139, pread64 17 67, pwrite64 18 68, readv 19 65,
writev 20 66, access 21 -, pipe 22 -, select 23 -, sched_yield 24 124, mremap 25 216,
msync 26 227, mincore 27 232, madvise 28 233, dup 32 23, dup2 33 -, nanosleep 35 101,
getitimer 36 102, alarm 37 -, setitimer 38 103, getpid 39 172, exit 60 93, uname 63 160,
fcntl 72 25, getcwd 79 17, readlink 89 -, gettimeofday 96 169, getrlimit 97 163,
getrusage 98 165, sysinfo 99 179, times 100 153, getuid 102 174, getgid 104 176,
geteuid 107 175, getegid 108 177, getppid 110 173, getpgrp 111 -, getpgid 121 155,
getsid 124 156, sigaltstack 131 132, gettid 186 178, time 201 -, futex 202 98,
sched_getaffinity 204 123, getdents64 217 61, set_tid_address 218 96, restart_syscall 219 128,
fadvise64 221 223, clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115,
exit_group 231 94, openat 257 56, newfstatat 262 79, readlinkat 267 78, faccessat 269 48,
pselect6 270 72, ppoll 271 73, set_robust_list 273 99, dup3 292 24, pipe2 293 59,
getcpu 309 168, getrandom 318 278, membarrier 324 283, statx 332 291, rseq 334 293,
faccessat2 439 439
"""
# No strategy has a reason to try: other processes' memory, mounts, namespaces, kernel modules,
# keys, bpf, perf, userfaultfd, io_uring, clocks, raw ports.
DEADLY = """
ptrace 101 117, syslog 103 116, vhangup 153 58, modify_ldt 154 -, pivot_root 155 41,
adjtimex 159 171, chroot 161 51, acct 163 89, settimeofday 164 170, mount 165 40,
umount2 166 39, swapon 167 224, swapoff 168 225, reboot 169 142, sethostname 170 161,
setdomainname 171 162, iopl 172 -, ioperm 173 -, create_module 174 -, init_module 175 105,
delete_module 176 106, get_kernel_syms 177 -, query_module 178 -, quotactl 179 60,
nfsservctl 180 42, lookup_dcookie 212 18, clock_settime 227 112, kexec_load 246 104,
add_key 248 217, request_key 249 218, keyctl 250 219, unshare 272 97, perf_event_open 298 241,
name_to_handle_at 303 264, open_by_handle_at 304 265, clock_adjtime 305 266, setns 308 268,
process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272, finit_module 313 273,
kexec_file_load 320 294, bpf 321 280, userfaultfd 323 282, io_uring_setup 425 425,
io_uring_enter 426 426, io_uring_register 427 427, open_tree 428 428, move_mount 429 429,
fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442
"""
# Allowed with some arguments only, or answered as if the kernel had none; then what the guard
# itself calls before its list holds.
SOME = "clone 56 220, clone3 435 435, ioctl 16 29, prlimit64 302 261, kill 62 129, tgkill 234 131"
OWN = """
seccomp 317 277, landlock_create_ruleset 444 444, landlock_add_rule 445 445,
landlock_restrict_self 446 446
"""
MACHINES = ("x86_64", "aarch64")


def numbers(table: str, machine: str) -> dict[str, int]:
    """Return the numbers of a table's calls on a machine, by name."""
    column = 1 + MACHINES.index(machine)
    rows = [entry.split() for entry in table.split(",")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
