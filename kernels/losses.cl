/* Losses and output deltas, lanes are samples (Hedberg 2015, Eqs. 20-32, 105, Tables 2 and 3; delmas, Eqs. 19-22, 30-33).
 *
 *   evaluate   loss[sample] = sum over outputs of the terms of r;  dy = scale times dr/dz for the CLOSED pairs, else
 *              scale times dr/dy, which the last layer's phi' makes delta.  Lanes beyond `samples` get 0 in both, so that
 *              they add nothing to any gradient.
 *
 * Closed pairs work from the logits and divide by no vanishing y; the other logarithms keep y away from their ends by EPS,
 * by comparisons that a NaN passes: fmin and fmax would lose it.
 * Layouts: values and targets [block][output][lane]; weights [output]; loss [first + block LANES + lane] in WIDE, not scaled.
 * Grid: (blocks). Group: LANES / V items on axis 0.
 * Defines: OUTPUTS EPS; LOSS, one of the numbers below.
 */
#include "prelude.h"
#include "lanes.h"

#define MSE 0
#define SSE 1
#define CROSS_ENTROPY 2
#define BINARY_CROSS_ENTROPY 3
#define CROSS_ENTROPY_OF_SOFTMAX 4
#define BINARY_CROSS_ENTROPY_OF_LOGISTIC 5
#define BINARY_CROSS_ENTROPY_OF_SOFT_LOGISTIC 6

KERNEL void evaluate(GLOBAL const REAL* RESTRICT z, GLOBAL const REAL* RESTRICT y, GLOBAL const REAL* RESTRICT t,
                     GLOBAL const REAL* RESTRICT weights, int samples, REAL scale, GLOBAL REAL* RESTRICT dy,
                     GLOBAL WIDE* RESTRICT loss, int first)
{
    const int block = GROUP_ID(0);
    const INDEX value = (INDEX)block * OUTPUTS;
    const REALV zero = (REALV)(0), in_use = IN_USE(block, samples);
    WIDEV total = (WIDEV)(0);
#if LOSS == CROSS_ENTROPY_OF_SOFTMAX
    REALV largest = LOADV(z, AT(value)), exponentials = zero, targets = zero;
    for (int i = 1; i < OUTPUTS; ++i) largest = fmax(largest, LOADV(z, AT(value + i)));
    for (int i = 0; i < OUTPUTS; ++i) {
        exponentials += exp(LOADV(z, AT(value + i)) - largest);
        targets = FMA((REALV)(weights[i]), LOADV(t, AT(value + i)), targets);
    }
    const REALV log_sum = log(exponentials);
#endif
    for (int i = 0; i < OUTPUTS; ++i) {
        const INDEX at = AT(value + i);
        const REALV w = (REALV)(weights[i]), target = LOADV(t, at), out = LOADV(y, at);
        REALV term, slope;
#if LOSS == MSE
        const REALV away = target - out;
        term = REALC(0.5) * w * away * away;
        slope = -w * away;
#elif LOSS == SSE
        const REALV away = target - out;
        term = w * away * away;
        slope = REALC(-2.0) * w * away;
#elif LOSS == CROSS_ENTROPY
        const REALV kept = out < EPS ? (REALV)(EPS) : out;
        term = -w * target * log(kept);
        slope = -w * target / kept;
#elif LOSS == BINARY_CROSS_ENTROPY
        const REALV kept = out < EPS ? (REALV)(EPS) : out > 1 - EPS ? (REALV)(1 - EPS) : out;
        term = -w * (target * log(kept) + (1 - target) * log1p(-kept));
        slope = -w * (target - kept) / (kept * (1 - kept));
#elif LOSS == CROSS_ENTROPY_OF_SOFTMAX
        const REALV below = fmax(LOADV(z, at) - largest, (REALV)(-REAL_LARGEST));
        term = -w * target * (below - log_sum);
        slope = targets * out - w * target;
#elif LOSS == BINARY_CROSS_ENTROPY_OF_LOGISTIC
        const REALV logit = LOADV(z, at);
        term = w * (fmax(logit, zero) - logit * target + log1p(exp(-fabs(logit))));
        slope = w * (out - target);
#elif LOSS == BINARY_CROSS_ENTROPY_OF_SOFT_LOGISTIC
        const REALV logit = LOADV(z, at), small = REALC(0.5) / (1 + fabs(logit));
        const REALV log_small = log(small), log_large = log1p(-small);
        const REALV log_y = logit < 0 ? log_small : log_large, log_rest = logit < 0 ? log_large : log_small;
        term = -w * (target * log_y + (1 - target) * log_rest);
        slope = -w * (target - out) * 2 * small / (1 - small);
#endif
        total += TO_WIDEV(in_use > 0 ? term : zero);
        STOREV(in_use > 0 ? scale * slope : zero, dy, at);
    }
    STORE_WIDEV(total, loss, first + AT((INDEX)block));
}
