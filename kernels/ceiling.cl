/* How many multiply-adds a device does in a second: nothing but these, in registers, as many side by side as there is room for.
 *
 * Work: an item goes through ROUNDS rounds of SUMS multiply-adds of V lanes, of which each waits for the one a round before.
 * Grid: any number of groups of any size on one axis, of which each item leaves the sum of its lanes in y.
 * Defines: those of prelude.h; ROUNDS SUMS
 */
#include "prelude.h"

KERNEL void multiply_add(REAL factor, GLOBAL REAL* y)
{
    REALV sum[SUMS];
    UNROLLED(i, SUMS) sum[i] = (REALV)(REAL)i;
    for (int round = 0; round < ROUNDS; ++round)
        UNROLLED(i, SUMS) sum[i] = FMA(sum[i], (REALV)factor, (REALV)REALC(1.0));
    REALV all = sum[0];
    UNROLLED(i, SUMS) all += sum[i];
    y[GLOBAL_ID(0)] = (REAL)SUMV(TO_WIDEV(all));
}
