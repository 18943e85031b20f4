/* The bits of FP32 numbers, and back. */
#ifndef AXDSE_FP32_WORDS_H
#define AXDSE_FP32_WORDS_H

#include <stdint.h>
#include <string.h>

static inline float float_of(uint32_t word) {
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

static inline uint32_t word_of(float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    return word;
}

#endif
