/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter of so few lines needs no library: the architecture, then two to four instructions a
 * rule. The numbers of another architecture's calls (32-bit ones on a 64-bit kernel) are others,
 * hence the first check; x32's have a bit that none of ours has.
 */
#include "kern/seccomp.h"

#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/error.h"

#if defined(__x86_64__) && defined(__LP64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__LP64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define ARCHITECTURE 0
#endif

#define PROGRAM_MAX 128

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short length;
};

static void add(struct program *program, unsigned code, uint32_t value, unsigned yes, unsigned no)
{
	program->code[program->length++] = (struct sock_filter){
		.code = (uint16_t)code, .jt = (uint8_t)yes, .jf = (uint8_t)no, .k = value};
}

static void add_load(struct program *program, size_t offset)
{
	add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void add_end(struct program *program, uint32_t verdict)
{
	add(program, BPF_RET | BPF_K, verdict, 0, 0);
}

/* Goes on behind the rule where it does not fit. The kernel takes 32 bits of a descriptor. */
static void add_rule(struct program *program, const struct seccomp_rule *rule)
{
	size_t low = __BYTE_ORDER == __LITTLE_ENDIAN ? 0 : sizeof(uint32_t);
	add_load(program, offsetof(struct seccomp_data, nr));
	add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->call, 0, rule->fd < 0 ? 1 : 3);
	if (rule->fd >= 0) {
		add_load(program, offsetof(struct seccomp_data, args[0]) + low);
		add(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->fd, 0, 1);
	}
	add_end(program, SECCOMP_RET_ALLOW);
}

int seccomp_confine(const struct seccomp_rule *rules, size_t count, struct error *err)
{
	static const struct seccomp_rule always[] = {
		{SYS_exit_group, -1}, {SYS_rt_sigreturn, -1}, {SYS_restart_syscall, -1}};
	const size_t n_always = sizeof(always) / sizeof(always[0]);
	struct program program = {.length = 0};
	if (!ARCHITECTURE)
		return 0;
	if ((count + n_always) * 5 + 4 > PROGRAM_MAX)
		return error_set(err, E2BIG, "seccomp: %zu rules", count);
	add_load(&program, offsetof(struct seccomp_data, arch));
	add(&program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	add_end(&program, SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < n_always; i++)
		add_rule(&program, &always[i]);
	for (size_t i = 0; i < count; i++)
		add_rule(&program, &rules[i]);
	add_end(&program, SECCOMP_RET_KILL_PROCESS);
	const struct sock_fprog filter = {.len = program.length, .filter = program.code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		return error_errno(err, errno, "seccomp");
	return 1;
}
