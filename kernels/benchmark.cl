/* The kernels of Hedberg's section 9, as baselines to measure: what a processor is advised to run, with every piece of advice free.
 *
 * product      c_i = a_i b_i for i < count: the vector multiplication test. An item takes WORK neighbouring vectors of V numbers.
 * perceptron   z_i = b_i + sum over j of w_ij y_j (Eqs. 17-19) of one sample, for i < count units that read `inputs`. An item takes
 *              WORK neighbouring units. theta: w by unit, then b.
 * Grid: at least count / (WORK * V) or count / WORK items, in groups of any size. Memory: none shared.
 * Defines: those of prelude.h, with LANES = V; WORK. Free, and of equal bits: UNROLL (1: loops over work are unrolled), HINT.
 */
#include "prelude.h"

#if UNROLL
#define WORK_LOOP(i) UNROLLED(i, WORK)
#else
#define WORK_LOOP(i) NOT_UNROLLED(i, WORK)
#endif

HINTED KERNEL void product(GLOBAL const REAL* RESTRICT a, GLOBAL const REAL* RESTRICT b, GLOBAL REAL* RESTRICT c, int count)
{
    const int first = GLOBAL_ID(0) * WORK * V;
    WORK_LOOP(n) {
        const int i = first + n * V;
        if (i + V <= count) STOREV(LOADV(a, i) * LOADV(b, i), c, i);
        else
            for (int rest = i; rest < count; ++rest) c[rest] = a[rest] * b[rest];
    }
}

#if V == 1
HINTED KERNEL void perceptron(GLOBAL const REAL* RESTRICT theta, GLOBAL const REAL* RESTRICT y, GLOBAL REAL* RESTRICT z, int count,
                              int inputs)
{
    const int first = GLOBAL_ID(0) * WORK;
    WORK_LOOP(n) {
        const int i = first + n;
        if (i < count) {
            REAL sum = theta[(INDEX)count * inputs + i];
            for (int j = 0; j < inputs; ++j) sum = FMA(theta[(INDEX)i * inputs + j], y[j], sum);
            z[i] = sum;
        }
    }
}
#endif
