/* Whether a device computes at all: arithmetic, shared memory and a barrier, with a result that is known exactly.
 *
 *   y[i] = 2 x[BLOCK - 1 - i] + i
 *
 * Grid: one group of BLOCK work-items.   Shared memory: BLOCK numbers of type REAL.   Defines: REAL_BITS BLOCK
 */
#include "prelude.h"

KERNEL void probe(GLOBAL const REAL* x, GLOBAL REAL* y)
{
    SHARED REAL shared[BLOCK];
    const int i = LOCAL_ID(0);
    shared[i] = x[i];
    BARRIER();
    y[i] = FMA(REALC(2.0), shared[BLOCK - 1 - i], (REAL)i);
}
