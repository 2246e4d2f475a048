/* Whether a device computes at all: arithmetic, shared memory and a barrier, with results that are known exactly.
 *
 *   y[i] = 2 x[BLOCK - 1 - i] + i, in REAL, and the same in WIDE: one program for both dtypes, since drivers take long for each
 *
 * Grid: one group of BLOCK work-items.   Shared memory: BLOCK numbers of type REAL, and of WIDE.   Defines: REAL_BITS WIDE_BITS BLOCK
 */
#include "prelude.h"

KERNEL void probe(GLOBAL const REAL* x, GLOBAL REAL* y, GLOBAL const WIDE* wide_x, GLOBAL WIDE* wide_y)
{
    SHARED REAL shared[BLOCK];
    SHARED WIDE wide_shared[BLOCK];
    const int i = LOCAL_ID(0);
    shared[i] = x[i];
    wide_shared[i] = wide_x[i];
    BARRIER();
    y[i] = FMA(REALC(2.0), shared[BLOCK - 1 - i], (REAL)i);
    wide_y[i] = FMA((WIDE)2, wide_shared[BLOCK - 1 - i], (WIDE)i);
}
