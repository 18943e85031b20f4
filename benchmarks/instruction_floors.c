/* How fast the instructions of each kernel's inner loop can go, without memory and packing.
 *
 * usage: cc -std=gnu11 -O2 -march=native benchmarks/instruction_floors.c -o floors && ./floors
 *
 * Each mix below is the arithmetic of a kernel on registers alone, in independent chains, so it
 * bounds what any arrangement of loads around it can reach. Loads, packing and sums in memory come
 * on top. The clock is that of a chain of dependent additions, one a cycle.
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { ROUNDS = 60, ITERATIONS = 500000 };

/* To the compiler x is another value from here on; no instruction is made. */
#define NEW(x) __asm__ volatile("" : "+v"(x))
#define FOR(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void chain_of_additions(void) {
    uint64_t x = 0, one = 1;
    for (int64_t i = 0; i < ITERATIONS; i++)
        FOR(j, 8) __asm__ volatile("add %1, %0" : "+r"(x) : "r"(one));
}

struct mix {
    const char *name;
    void (*run)(void);
    int products; /* in an iteration */
    int operations; /* on vectors, for 64 products */
};

#ifdef __AVX512BF16__
static void native_fma(void) {
    __m512 sums[16], a = _mm512_set1_ps(0.5f), b = a;
    FOR(i, 8) sums[i] = sums[8 + i] = a;
    for (int64_t n = 0; n < ITERATIONS; n++) {
        FOR(i, 8) {
            NEW(a);
            sums[i] = _mm512_fmadd_ps(a, b, sums[i]);
            NEW(a);
            sums[8 + i] = _mm512_fmadd_ps(a, b, sums[8 + i]);
        }
    }
    FOR(i, 8) { NEW(sums[i]); NEW(sums[8 + i]); }
}

/* Two rows of 64 columns, two k. */
static inline __attribute__((always_inline)) void bytes(int registers) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i low = _mm512_set1_epi8(1), high = _mm512_set1_epi8(2), index[2] = {low, high};
    __m512i scale_b = _mm512_set1_epi16(0x3f80), scale_a = scale_b;
    __m512 sums[2][4];
    FOR(r, 2) FOR(q, 4) sums[r][q] = _mm512_setzero_ps();
    for (int64_t n = 0; n < ITERATIONS; n++)
        FOR(r, 2) {
            __m512i found[2];
            FOR(k, 2) {
                NEW(index[k]);
                found[k] = registers == 1 ? _mm512_permutexvar_epi8(index[k], low)
                                          : _mm512_permutex2var_epi8(low, index[k], high);
            }
            const __m512i lower = _mm512_unpacklo_epi8(found[0], found[1]);
            const __m512i upper = _mm512_unpackhi_epi8(found[0], found[1]);
            const __m512i pairs[4] = {
                _mm512_unpacklo_epi8(lower, zero), _mm512_unpackhi_epi8(lower, zero),
                _mm512_unpacklo_epi8(upper, zero), _mm512_unpackhi_epi8(upper, zero)};
            FOR(q, 4) sums[r][q] = _mm512_dpbf16_ps(
                sums[r][q], (__m512bh)_mm512_add_epi16(pairs[q], scale_b), (__m512bh)scale_a);
        }
    FOR(r, 2) FOR(q, 4) NEW(sums[r][q]);
}

static void vbmi_narrow_7(void) { bytes(2); }
static void vbmi_narrow_6(void) { bytes(1); }

/* Two rows of 64 columns, one k. */
static void vbmi_wide_7(void) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i low = _mm512_set1_epi8(1), high = _mm512_set1_epi8(2), index[2] = {low, high};
    __m512i scale_b = _mm512_set1_epi16(0x3f80);
    __m512 sums[2][4], scale_a = _mm512_set1_ps(0.5f);
    FOR(r, 2) FOR(q, 4) sums[r][q] = _mm512_setzero_ps();
    for (int64_t n = 0; n < ITERATIONS; n++)
        FOR(r, 2) {
            __m512i plane[2];
            FOR(p, 2) {
                NEW(index[p]);
                plane[p] = _mm512_permutex2var_epi8(low, index[p], high);
            }
            const __m512i high0 = _mm512_add_epi16(_mm512_unpacklo_epi8(plane[0], zero), scale_b);
            const __m512i high1 = _mm512_add_epi16(_mm512_unpackhi_epi8(plane[0], zero), scale_b);
            const __m512i low0 = _mm512_unpacklo_epi8(zero, plane[1]);
            const __m512i low1 = _mm512_unpackhi_epi8(zero, plane[1]);
            const __m512i words[4] = {
                _mm512_unpacklo_epi16(low0, high0), _mm512_unpackhi_epi16(low0, high0),
                _mm512_unpacklo_epi16(low1, high1), _mm512_unpackhi_epi16(low1, high1)};
            FOR(q, 4) sums[r][q] =
                _mm512_fmadd_ps(_mm512_castsi512_ps(words[q]), scale_a, sums[r][q]);
        }
    FOR(r, 2) FOR(q, 4) NEW(sums[r][q]);
}

/* Two blocks of 64 columns, one k. */
static void vbmi_int8(void) {
    __m512i table[4], index = _mm512_set1_epi8(3), sums[2][4];
    __mmask64 below = 0x5555555555555555u, above = ~below;
    FOR(i, 4) { table[i] = _mm512_set1_epi8((char)i); NEW(table[i]); }
    FOR(j, 2) FOR(i, 4) sums[j][i] = index;
    for (int64_t n = 0; n < ITERATIONS; n++)
        FOR(j, 2) FOR(p, 2) {
            NEW(index);
            __m512i found = _mm512_mask2_permutex2var_epi8(table[0], index, below, table[1]);
            found = _mm512_mask2_permutex2var_epi8(table[2], found, above, table[3]);
            sums[j][2 * p] = _mm512_add_epi16(sums[j][2 * p], found);
            sums[j][2 * p + 1] =
                _mm512_add_epi16(sums[j][2 * p + 1], _mm512_srli_epi16(found, 8));
        }
    FOR(j, 2) FOR(i, 4) NEW(sums[j][i]);
}

/* Eight registers of 16 columns, one k: fractions added, put on the scale of b, times that of a. */
static void inlined_mitchell(void) {
    __m512i x = _mm512_set1_epi32(1), y = x, scale_b = _mm512_set1_epi32(0x3f800000);
    __m512 sums[8], scale_a = _mm512_set1_ps(0.5f);
    FOR(i, 8) sums[i] = scale_a;
    for (int64_t n = 0; n < ITERATIONS; n++)
        FOR(i, 8) {
            NEW(x);
            const __m512i word = _mm512_add_epi32(_mm512_add_epi32(x, y), scale_b);
            sums[i] = _mm512_fmadd_ps(_mm512_castsi512_ps(word), scale_a, sums[i]);
        }
    FOR(i, 8) NEW(sums[i]);
}
#endif

#ifdef __AVX2__
/* Two rows of 32 columns, one k. */
static void avx2_narrow_7(void) {
    __m256i slice = _mm256_set1_epi8(1), step = _mm256_set1_epi8(16), from = slice;
    __m256i mask = _mm256_set1_epi16(255), upper = _mm256_set1_epi32(-65536), scale_b = mask;
    __m256 sums[2][4], scale_a = _mm256_set1_ps(0.5f);
    FOR(r, 2) FOR(q, 4) sums[r][q] = _mm256_setzero_ps();
    for (int64_t n = 0; n < ITERATIONS; n++) {
        __m256i index = from, found[2];
        NEW(index);
        FOR(r, 2) { NEW(slice); found[r] = _mm256_shuffle_epi8(slice, index); }
        FOR(s, 7) {
            index = _mm256_subs_epi8(index, step);
            FOR(r, 2) {
                NEW(slice);
                found[r] = _mm256_xor_si256(found[r], _mm256_shuffle_epi8(slice, index));
                NEW(found[r]);
            }
        }
        FOR(r, 2) {
            const __m256i even = _mm256_add_epi16(_mm256_and_si256(found[r], mask), scale_b);
            const __m256i odd = _mm256_add_epi16(_mm256_srli_epi16(found[r], 8), scale_b);
            const __m256i words[4] = {_mm256_slli_epi32(even, 16), _mm256_slli_epi32(odd, 16),
                                      _mm256_and_si256(even, upper), _mm256_and_si256(odd, upper)};
            FOR(q, 4) sums[r][q] =
                _mm256_fmadd_ps(_mm256_castsi256_ps(words[q]), scale_a, sums[r][q]);
        }
    }
    FOR(r, 2) FOR(q, 4) NEW(sums[r][q]);
}
#endif

static const struct mix mixes[] = {
#ifdef __AVX512BF16__
    {"native FP32", native_fma, 16 * 16, 4},
    {"vbmi, float(8,7) narrow", vbmi_narrow_7, 2 * 64 * 2, 8},
    {"vbmi, float(8,6) narrow", vbmi_narrow_6, 2 * 64 * 2, 8},
    {"vbmi, float(8,7) wide", vbmi_wide_7, 2 * 64, 16},
    {"vbmi, int8", vbmi_int8, 2 * 64, 10},
    {"inlined, Mitchell float(8,23)", inlined_mitchell, 8 * 16, 12},
#endif
#ifdef __AVX2__
    {"avx2, float(8,7) narrow", avx2_narrow_7, 2 * 32, 61},
#endif
};

enum { COUNT = sizeof mixes / sizeof *mixes };

static double seconds_of(void (*run)(void)) {
    const double start = now();
    run();
    return now() - start;
}

static void keep_best(double *best, double seconds) {
    if (*best == 0 || seconds < *best) *best = seconds;
}

int main(void) {
    double chain = 0, best[COUNT] = {0};
    /* Who shares the core comes and goes: the best of many rounds is undisturbed. */
    for (int round = 0; round < ROUNDS; round++) {
        keep_best(&chain, seconds_of(chain_of_additions));
        for (int i = 0; i < COUNT; i++) keep_best(&best[i], seconds_of(mixes[i].run));
    }
    const double clock = 8.0 * ITERATIONS / chain;
    printf("%.2f GHz\n%-32s%12s%12s%12s%12s\n", clock / 1e9, "inner loop", "ops / 64",
           "per cycle", "G / s", "x native");
    for (int i = 0; i < COUNT; i++) {
        const double rate = mixes[i].products * (double)ITERATIONS / best[i];
        printf("%-32s%12d%12.1f%12.1f%12.2f\n", mixes[i].name, mixes[i].operations, rate / clock,
               rate / 1e9, mixes[0].products * (double)ITERATIONS / best[0] / rate);
    }
    return 0;
}
