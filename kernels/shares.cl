/* The gradients of several compute units, each over its own samples, become one.
 *
 *   add_shares   gradient[i] += the sum of others[s * n + i] over s < SHARES, in order
 *
 * Grid: any number of groups on one axis (chunks.h).
 * Defines: those of prelude.h; SHARES.
 */
#include "prelude.h"
#include "chunks.h"

KERNEL void add_shares(GLOBAL REAL* RESTRICT gradient, GLOBAL const REAL* RESTRICT others, INDEX n)
{
    TAKE_CHUNK(n);
    for EACH_VECTOR(i) {
        REALV sum = LOADV(gradient, i);
        for (int s = 0; s < SHARES; ++s) sum += LOADV(others, s * n + i);
        STOREV(sum, gradient, i);
    }
    for EACH_LEFT_OVER(i, n)
        for (int s = 0; s < SHARES; ++s) gradient[i] += others[s * n + i];
}
