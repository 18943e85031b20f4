/* Rows of terms added up by sum.h: what `axdse.multipliers.model.sum_model` calls. */
#include "sum.h"

/* Terms [rows, depth]; `special` is infinity or NaN where a product is, else 0. `states` are left as they then are. */
void sum_rows(const struct sum *sum, int64_t rows, int64_t depth, const int32_t *exponent,
              const int64_t *significand, const float *special, const float *start, uint16_t *states,
              float *result) {
    const int64_t chunk = sum->chunk ? sum->chunk : depth ? depth : 1;
    for (int64_t row = 0; row < rows; row++) {
        float outer = start[row];
        const int64_t first = row * depth;
        struct running now = {.state = states[row]};
        for (int64_t from = 0; from < depth || from == 0; from += chunk) {
            const int64_t end = from + chunk < depth ? from + chunk : depth;
            sum_clear(sum, &now, sum->chunk ? 0 : start[row]);
            for (int64_t k = from; k < end; k += sum->terms) {
                const int count = (int)(end - k < sum->terms ? end - k : sum->terms);
                float step = 0;
                for (int i = 0; i < count; i++) step += special[first + k + i];
                sum_step(sum, &now, exponent + first + k, significand + first + k, count, step);
            }
            outer = sum->chunk ? outer + sum_end(sum, &now) : sum_end(sum, &now);
        }
        states[row] = now.state;
        result[row] = sum_plain(outer);
    }
}

/* One step each of a sum that is not normalised, of `depth` terms: registers as they are. */
void sum_plain_steps(const struct sum *sum, int64_t rows, int64_t depth, const int32_t *exponent,
                    const int64_t *significand, int32_t *held_exponent, int64_t *held) {
    for (int64_t row = 0; row < rows; row++) {
        struct running now = {.exponent = held_exponent[row], .held = held[row]};
        sum_step(sum, &now, exponent + row * depth, significand + row * depth, (int)depth, 0);
        held_exponent[row] = now.exponent;
        held[row] = (int64_t)now.held;
    }
}

/* What such registers are in FP32. */
void sum_ends(const struct sum *sum, int64_t rows, const int32_t *held_exponent, const int64_t *held,
              float *result) {
    for (int64_t row = 0; row < rows; row++) {
        const struct running now = {.exponent = held_exponent[row], .held = held[row]};
        result[row] = sum_end(sum, &now);
    }
}

/* Integer products [rows, depth] in a register of two's complement. */
void sum_integers(const struct sum *sum, int64_t rows, int64_t depth, const int64_t *products,
                  int64_t *result) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t total = 0;
        for (int64_t k = 0; k < depth; k += sum->terms) {
            for (int64_t i = k; i < depth && i < k + sum->terms; i++) total += products[row * depth + i];
            total = (int64_t)sum_held(total, sum->width, sum->saturate);
        }
        result[row] = total;
    }
}
