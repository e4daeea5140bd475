// A plugin for QEMU that counts the guest's instructions between two marks: exact, and the same
// in every run.
//
//     gcc -O2 -shared -fPIC -fvisibility=hidden -DAPI=1 -o count.so count-instructions.c
//     qemu-system-arm ... -plugin file=count.so,out=FILE
//
// A region starts after `mov r10, r10` and ends at `mov r11, r11`, on RISC-V `slti zero, zero, 1` and
// `slti zero, zero, 2`: no-ops that compilers do not emit. The marks themselves are not counted. FILE
// gets the count of each region, one a line. These are instructions, not cycles.
//
// With `areas=ADDRESS:BYTES:BYTES...`, areas of memory that follow each other, a line has one more
// number for each area: the instructions up to a store into it, from the last store into any. A
// program that keeps what it computes in areas of its own need not be changed, or built in another
// way, to see what each costs.
//
// The declarations restate what is used of QEMU's public plugin interface, as distributions ship
// QEMU without its header. -DAPI says which version: 1 for QEMU up to 8, 4 for QEMU 10, where
// inline counters live in per-core scoreboards.

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef API
#define API 1
#endif

struct marks {
    size_t size;
    uint32_t start, stop;
};
static const struct marks arm = {2, 0x46d2 /* mov r10, r10 */, 0x46db /* mov r11, r11 */};
static const struct marks riscv = {4, 0x00102013 /* slti zero, zero, 1 */, 0x00202013 /* .., 2 */};
enum { WITHOUT_REGISTERS = 0, INLINE_ADD_U64 = 0, STORES = 2 };
enum { MOST_AREAS = 64 };

typedef uint64_t plugin_id;
struct info {
    const char *target_name;
    // More follows.
};
struct block;
struct instruction;
typedef void (*block_callback)(plugin_id, struct block *);
typedef void (*instruction_callback)(unsigned core, void *data);

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, block_callback);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction *, instruction_callback,
                                                   int registers, void *data);
typedef void (*memory_callback)(unsigned core, uint32_t how, uint64_t address, void *data);
extern void qemu_plugin_register_vcpu_mem_cb(struct instruction *, memory_callback, int registers,
                                             int kind, void *data);
extern bool qemu_plugin_mem_is_store(uint32_t how);
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
extern size_t qemu_plugin_insn_size(const struct instruction *);

#if API >= 3
typedef struct {
    void *scoreboard;
    size_t offset;
} counter_handle;
extern void *qemu_plugin_scoreboard_new(size_t);
extern uint64_t qemu_plugin_u64_sum(counter_handle);
extern void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct instruction *, int operation,
                                                                counter_handle, uint64_t);
extern size_t qemu_plugin_insn_data(const struct instruction *, void *, size_t);

static counter_handle counter;
static void counter_create(void) { counter.scoreboard = qemu_plugin_scoreboard_new(sizeof(uint64_t)); }
static uint64_t counter_value(void) { return qemu_plugin_u64_sum(counter); }
static void count(struct instruction *instruction) {
    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(instruction, INLINE_ADD_U64, counter, 1);
}
static uint32_t code_of(const struct instruction *instruction, size_t size) {
    uint32_t code = 0;
    qemu_plugin_insn_data(instruction, &code, size);
    return code;
}
#else
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct instruction *, int operation,
                                                       void *counter, uint64_t);
extern const void *qemu_plugin_insn_data(const struct instruction *);

static uint64_t counter;
static void counter_create(void) {}
static uint64_t counter_value(void) { return counter; }
static void count(struct instruction *instruction) {
    qemu_plugin_register_vcpu_insn_exec_inline(instruction, INLINE_ADD_U64, &counter, 1);
}
static uint32_t code_of(const struct instruction *instruction, size_t size) {
    uint32_t code = 0;
    memcpy(&code, qemu_plugin_insn_data(instruction), size);
    return code;
}
#endif

static struct marks marks;
static uint64_t region_start;
static bool in_region;
static FILE *out;

// Area i is from area_start[i] up to area_start[i + 1].
static uint64_t area_start[MOST_AREAS + 1];
static uint64_t area_count[MOST_AREAS];
static size_t areas;
static uint64_t last_store;

static void on_start(unsigned core, void *data) {
    (void)core, (void)data;
    region_start = last_store = counter_value();
    memset(area_count, 0, sizeof area_count);
    in_region = true;
}

static void on_stop(unsigned core, void *data) {
    (void)core, (void)data;
    in_region = false;
    fprintf(out, "%" PRIu64, counter_value() - region_start);
    for (size_t i = 0; i < areas; i++)
        fprintf(out, " %" PRIu64, area_count[i]);
    fprintf(out, "\n");
    fflush(out);
}

static void on_store(unsigned core, uint32_t how, uint64_t address, void *data) {
    (void)core, (void)data;
    // QEMU 7 calls for loads too.
    if (!in_region || !qemu_plugin_mem_is_store(how) || address < area_start[0] || address >= area_start[areas])
        return;
    size_t area = 0;
    while (address >= area_start[area + 1])
        area++;
    uint64_t now = counter_value();
    area_count[area] += now - last_store;
    last_store = now;
}

// Reads ADDRESS:BYTES:BYTES...; whether it is that.
static bool read_areas(const char *text) {
    char *end;
    area_start[0] = strtoull(text, &end, 10);
    for (; *end == ':' && areas < MOST_AREAS; areas++)
        area_start[areas + 1] = area_start[areas] + strtoull(end + 1, &end, 10);
    return areas > 0 && *end == '\0';
}

// Called once for each block of guest code, when QEMU translates it.
static void on_translate(plugin_id id, struct block *block) {
    (void)id;
    size_t instructions = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < instructions; i++) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        bool may_mark = qemu_plugin_insn_size(instruction) == marks.size;
        uint32_t code = may_mark ? code_of(instruction, marks.size) : 0;
        if (code == marks.start || code == marks.stop)
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction, code == marks.start ? on_start : on_stop, WITHOUT_REGISTERS, NULL);
        else
            count(instruction);
        if (areas > 0)
            qemu_plugin_register_vcpu_mem_cb(instruction, on_store, WITHOUT_REGISTERS, STORES, NULL);
    }
}

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = API;

EXPORT int qemu_plugin_install(plugin_id id, const struct info *info, int argc, char **argv) {
    marks = strncmp(info->target_name, "riscv", 5) == 0 ? riscv : arm;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
        if (strncmp(argv[i], "areas=", 6) == 0 && !read_areas(argv[i] + 6)) {
            fprintf(stderr, "count-instructions: %s is not areas=ADDRESS:BYTES...\n", argv[i]);
            return 1;
        }
    }
    if (!out) {
        fprintf(stderr, "count-instructions: out=FILE is missing or cannot be written\n");
        return 1;
    }
    counter_create();
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
