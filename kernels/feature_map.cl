/* Feature maps (delmas, Eq. 15), lanes are samples.
 *
 *   monomials                    y_f = product over the factors j of f of x_j
 *   monomials_backpropagate      dx_j = sum over the places k where j is a factor, of delta_f times the product of f's others
 *   trigonometric                y = cos k x_j, sin k x_j, by frequency k from 1 to DEGREE, each by input j
 *   trigonometric_backpropagate  dx_j = sum over k of k (delta_sin cos k x_j - delta_cos sin k x_j), read from y
 *
 * Layouts: values [block][point][lane]. The factors of monomial f are factor[k], k from first[f] to first[f + 1] - 1;
 * input j is a factor at the places use[n], of the monomials owner[n], n from use_first[j] to use_first[j + 1] - 1.
 * Work: an item computes TILE features or inputs of one block.
 * Grid: monomials (tiles of features, blocks); the others (tiles of inputs, blocks). The last tile is guarded.
 * Group: LANES / V items on axis 0.
 * Defines: INPUTS FEATURES DEGREE TILE.
 */
#include "prelude.h"

#define EACH_OF(count, i) \
    (int i = GROUP_ID(0) * TILE; i < (GROUP_ID(0) + 1) * TILE && i < (count); ++i)
#define COS_AT(k, j) AT(((k) - 1) * 2 * INPUTS + (j))
#define SIN_AT(k, j) AT(((k) - 1) * 2 * INPUTS + INPUTS + (j))

KERNEL void monomials(GLOBAL const REAL* RESTRICT x, GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT factor,
                      GLOBAL REAL* RESTRICT y)
{
    x += (INDEX)GROUP_ID(1) * INPUTS * LANES;
    y += (INDEX)GROUP_ID(1) * FEATURES * LANES;
    for EACH_OF(FEATURES, f) {
        REALV product = LOADV(x, AT(factor[first[f]]));
        for (int k = first[f] + 1; k < first[f + 1]; ++k) product *= LOADV(x, AT(factor[k]));
        STOREV(product, y, AT(f));
    }
}

KERNEL void monomials_backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT x,
                                    GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT factor,
                                    GLOBAL const int* RESTRICT use_first, GLOBAL const int* RESTRICT use,
                                    GLOBAL const int* RESTRICT owner, GLOBAL REAL* RESTRICT dx)
{
    delta += (INDEX)GROUP_ID(1) * FEATURES * LANES;
    x += (INDEX)GROUP_ID(1) * INPUTS * LANES;
    dx += (INDEX)GROUP_ID(1) * INPUTS * LANES;
    for EACH_OF(INPUTS, j) {
        REALV sum = (REALV)(0);
        for (int n = use_first[j]; n < use_first[j + 1]; ++n) {
            const int f = owner[n];
            REALV others = (REALV)(1);
            for (int k = first[f]; k < first[f + 1]; ++k)
                if (k != use[n]) others *= LOADV(x, AT(factor[k]));
            sum = FMA(LOADV(delta, AT(f)), others, sum);
        }
        STOREV(sum, dx, AT(j));
    }
}

KERNEL void trigonometric(GLOBAL const REAL* RESTRICT x, GLOBAL REAL* RESTRICT y)
{
    x += (INDEX)GROUP_ID(1) * INPUTS * LANES;
    y += (INDEX)GROUP_ID(1) * FEATURES * LANES;
    for EACH_OF(INPUTS, j)
        for (int k = 1; k <= DEGREE; ++k) {
            const REALV angle = (REAL)k * LOADV(x, AT(j));
            STOREV(cos(angle), y, COS_AT(k, j));
            STOREV(sin(angle), y, SIN_AT(k, j));
        }
}

KERNEL void trigonometric_backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y,
                                        GLOBAL REAL* RESTRICT dx)
{
    delta += (INDEX)GROUP_ID(1) * FEATURES * LANES;
    y += (INDEX)GROUP_ID(1) * FEATURES * LANES;
    dx += (INDEX)GROUP_ID(1) * INPUTS * LANES;
    for EACH_OF(INPUTS, j) {
        REALV sum = (REALV)(0);
        for (int k = 1; k <= DEGREE; ++k) {
            const REALV by_sin = LOADV(delta, SIN_AT(k, j)) * LOADV(y, COS_AT(k, j));
            sum += (REAL)k * (by_sin - LOADV(delta, COS_AT(k, j)) * LOADV(y, SIN_AT(k, j)));
        }
        STOREV(sum, dx, AT(j));
    }
}
