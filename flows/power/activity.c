/* What switches in a mapped netlist, and when? Timed, one transition of the operands at a time.
 *
 * A wave is the list of times at which a net toggles after the operands changed at time 0, and
 * the registers of a pipeline a little later. Cells
 * come after those that drive them, so each cell turns complete waves into complete waves: no
 * event queue. An output follows its inputs after a delay that depends on the input that changed
 * last and on the state of the cell; a pulse shorter than the delay is swallowed (IEEE 1364-2005,
 * 6.1.3 and 14.2). Times are fs; a delay below 0 is none: that input does not cause that edge.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUTS = 16, MAX_OUTPUTS = 4 };
typedef int64_t Time;
static const Time never = INT64_MAX;

typedef struct {
    int32_t inputs, outputs;
    int32_t pins;   /* into `nets`: inputs, then outputs (-1: not connected) */
    int32_t truth;  /* into `truths`: [outputs][states] */
    int32_t delays; /* into `delays` and `caused`: [outputs][inputs][states] */
    int32_t events; /* into `moved`: [inputs][states]; into `rests`: events / inputs */
    int32_t rests;
} Cell;

typedef struct { Time *times; int32_t count; uint8_t first; } Wave;

typedef struct {
    int32_t net_count, cell_count;
    const Cell *cells;
    const int32_t *nets;
    const uint8_t *truths;
    const Time *delays;
    Time *arena, *end;
    Wave *waves;
} Circuit;

typedef struct {
    int64_t *caused; /* output toggles, by the input that caused them and the state it led to */
    int64_t *moved;  /* input toggles, by the state they led to */
    int64_t *rests;  /* lanes that rest in each state before their operands change */
} Counts;

typedef struct { uint8_t value; Time due; int32_t cause; uint32_t state; Wave *wave; } Output;

static int emit(Output *out, Time **arena, Time *end) {
    if (*arena == end) return -1;
    *(*arena)++ = out->due;
    out->wave->count++;
    out->value ^= 1;
    out->due = never;
    return 0;
}

static int run_cell(const Circuit *c, const Cell *cell, Time **arena, const Counts *counts) {
    const int32_t *pins = c->nets + cell->pins;
    const int n = cell->inputs;
    const uint32_t states = 1u << n;
    const uint8_t *truth = c->truths + cell->truth;
    int32_t at[MAX_INPUTS] = {0};
    Time next[MAX_INPUTS];
    Output outputs[MAX_OUTPUTS];
    uint32_t state = 0;
    int active = 0;
    for (int i = 0; i < n; i++) {
        const Wave *wave = c->waves + pins[i];
        state |= (uint32_t)wave->first << i;
        next[i] = wave->count ? wave->times[0] : never;
        active += wave->count;
    }
    counts->rests[cell->rests + (int32_t)state]++;
    for (int o = 0; o < cell->outputs; o++) {
        int32_t net = pins[n + o];
        uint8_t value = truth[(uint32_t)o * states + state];
        outputs[o] = (Output){value, never, 0, 0, net < 0 ? NULL : c->waves + net};
        if (net >= 0) *outputs[o].wave = (Wave){NULL, 0, value};
    }
    if (!active) return 0;
    /* Waves of several outputs grow at once: each has its own share of the arena. */
    Time *share[MAX_OUTPUTS], *limit[MAX_OUTPUTS];
    Time *top = *arena;
    for (int o = 0; o < cell->outputs; o++) {
        /* Every toggle of an output takes an event of an input. */
        if (c->end - top < active) return -1;
        share[o] = top;
        limit[o] = top += active;
        if (outputs[o].wave) outputs[o].wave->times = share[o];
    }
    for (;;) {
        Time now = never;
        for (int i = 0; i < n; i++) if (next[i] < now) now = next[i];
        if (now == never) break;
        uint32_t changed = 0;
        for (int i = 0; i < n; i++) {
            if (next[i] != now) continue;
            const Wave *wave = c->waves + pins[i];
            changed |= 1u << i;
            at[i]++;
            next[i] = at[i] < wave->count ? wave->times[at[i]] : never;
        }
        state ^= changed;
        for (int i = 0; i < n; i++)
            if (changed >> i & 1)
                counts->moved[cell->events + i * (int32_t)states + (int32_t)state]++;
        for (int o = 0; o < cell->outputs; o++) {
            Output *out = outputs + o;
            if (!out->wave) continue;
            if (out->due <= now) {
                counts->caused[cell->delays + (o * n + out->cause) * (int32_t)states
                               + (int32_t)out->state]++;
                if (emit(out, &share[o], limit[o])) return -1;
            }
            if (truth[(uint32_t)o * states + state] == out->value) {
                out->due = never;
                continue;
            }
            if (out->due != never) continue;
            Time shortest = never;
            for (int i = 0; i < n; i++) {
                Time delay = c->delays[cell->delays + (o * n + i) * (int32_t)states
                                       + (int32_t)state];
                if (!(changed >> i & 1) || delay < 0 || delay >= shortest) continue;
                shortest = delay;
                out->cause = i;
            }
            if (shortest == never) { /* no table tells: at once */
                shortest = 0;
                while (!(changed >> out->cause & 1)) out->cause = (out->cause + 1) % n;
            }
            out->state = state;
            out->due = now + shortest;
        }
    }
    for (int o = 0; o < cell->outputs; o++) {
        Output *out = outputs + o;
        if (!out->wave || out->due == never) continue;
        counts->caused[cell->delays + (o * n + out->cause) * (int32_t)states
                       + (int32_t)out->state]++;
        if (emit(out, &share[o], limit[o])) return -1;
    }
    /* Close the gaps that swallowed pulses leave. */
    Time *free = *arena;
    for (int o = 0; o < cell->outputs; o++) {
        Wave *wave = outputs[o].wave;
        if (!wave) continue;
        memmove(free, wave->times, (size_t)wave->count * sizeof(Time));
        wave->times = free;
        free += wave->count;
    }
    *arena = free;
    return 0;
}

/* `before`, `after`: bits of the inputs, [lanes][(input_count + 7) / 8], in the order of `inputs`.
 * `starts`: when each input rises and falls, if it does.
 * `toggles`, `steady`: for each net, with and without glitches; `ones`: lanes that begin with 1.
 * Returns 0; -1: no memory, or more than `limit` events in one lane. */
int axdse_activity(int32_t net_count, int32_t cell_count, const Cell *cells, const int32_t *nets,
                   const uint8_t *truths, const Time *delays, int32_t input_count,
                   const int32_t *inputs, const Time *starts, int64_t lanes,
                   const uint8_t *before, const uint8_t *after, int64_t limit, int64_t *toggles,
                   int64_t *steady, int64_t *ones, int64_t *caused, int64_t *moved,
                   int64_t *rests) {
    Circuit c = {net_count, cell_count, cells, nets, truths, delays, NULL, NULL, NULL};
    Counts counts = {caused, moved, rests};
    c.arena = malloc((size_t)limit * sizeof(Time));
    c.waves = calloc((size_t)net_count, sizeof(Wave));
    int failed = !c.arena || !c.waves;
    int64_t bytes = (input_count + 7) / 8;
    if (!failed) {
        c.end = c.arena + limit;
        c.waves[1].first = 1;
    }
    for (int64_t lane = 0; lane < lanes && !failed; lane++) {
        const uint8_t *old = before + lane * bytes, *new = after + lane * bytes;
        for (int32_t i = 0; i < input_count; i++) {
            uint8_t was = old[i / 8] >> (i % 8) & 1, is = new[i / 8] >> (i % 8) & 1;
            c.waves[inputs[i]] = (Wave){(Time *)starts + 2 * i + was, was != is, was};
        }
        Time *arena = c.arena;
        for (int32_t k = 0; k < cell_count && !failed; k++)
            failed = run_cell(&c, cells + k, &arena, &counts);
        for (int32_t net = 0; net < net_count; net++) {
            toggles[net] += c.waves[net].count;
            steady[net] += c.waves[net].count & 1;
            ones[net] += c.waves[net].first;
        }
    }
    free(c.arena);
    free(c.waves);
    return failed ? -1 : 0;
}
