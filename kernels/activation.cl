/* Activation functions over whole values, lanes are samples (Hedberg 2015, Eqs. 6, 20, 24-25; delmas, Eqs. 20, 31).
 *
 *   apply           y = phi(z)
 *   delta           delta = dy phi'(z), in place of dy
 *   softmax         y_i = exp(z_i) / sum over k of exp(z_k), over the POINTS values of a sample, shifted by the largest
 *   softmax_delta   delta_i = y_i (dy_i - sum over k of dy_k y_k), in place of dy
 *
 * Layouts: values [block][point][lane].
 * Grid: apply and delta (groups of TILE points, blocks), the last group guarded; softmax and softmax_delta (blocks).
 * Group: LANES / V items on axis 0. `z` is read by delta only where PHI_PRIME needs it, and may else be any value.
 * Defines: POINTS TILE; ACTIVATION.
 */
#include "prelude.h"
#include "activations.h"
#include "lanes.h"

KERNEL void apply(GLOBAL const REAL* RESTRICT z, GLOBAL REAL* RESTRICT y)
{
    const int point0 = GROUP_ID(0) * TILE;
    const INDEX value = (INDEX)GROUP_ID(1) * POINTS;
    for (int p = point0; p < point0 + TILE && p < POINTS; ++p) STOREV(PHI(LOADV(z, AT(value + p))), y, AT(value + p));
}

KERNEL void delta(GLOBAL const REAL* RESTRICT z, GLOBAL const REAL* RESTRICT y, GLOBAL REAL* RESTRICT dy)
{
    const int point0 = GROUP_ID(0) * TILE;
    const INDEX value = (INDEX)GROUP_ID(1) * POINTS;
    for (int p = point0; p < point0 + TILE && p < POINTS; ++p) {
        const INDEX at = AT(value + p);
        STOREV(LOADV(dy, at) * PHI_PRIME(LOADV(z, at), LOADV(y, at)), dy, at);
    }
}

KERNEL void softmax(GLOBAL const REAL* RESTRICT z, GLOBAL REAL* RESTRICT y)
{
    const INDEX value = (INDEX)GROUP_ID(0) * POINTS;
    REALV largest = LOADV(z, AT(value)), sum = (REALV)(0);
    for (int p = 1; p < POINTS; ++p) largest = fmax(largest, LOADV(z, AT(value + p)));
    for (int p = 0; p < POINTS; ++p) {
        const REALV e = exp(LOADV(z, AT(value + p)) - largest);
        STOREV(e, y, AT(value + p));
        sum += e;
    }
    for (int p = 0; p < POINTS; ++p) STOREV(LOADV(y, AT(value + p)) / sum, y, AT(value + p));
}

KERNEL void softmax_delta(GLOBAL const REAL* RESTRICT y, GLOBAL REAL* RESTRICT dy)
{
    const INDEX value = (INDEX)GROUP_ID(0) * POINTS;
    REALV mean = (REALV)(0);
    for (int p = 0; p < POINTS; ++p) mean = FMA(LOADV(dy, AT(value + p)), LOADV(y, AT(value + p)), mean);
    for (int p = 0; p < POINTS; ++p) {
        const INDEX at = AT(value + p);
        STOREV(LOADV(y, at) * (LOADV(dy, at) - mean), dy, at);
    }
}
