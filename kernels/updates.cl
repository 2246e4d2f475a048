/* Update rules on flat vectors: delmas, Eqs. 3-11; Hedberg 2015, Eqs. 118-121 (gcnn/optimizers has each formula).
 *
 *   pull      g + l2 mask (theta - centre), clipped to +-clip_value: the gradient that a rule sees (delmas, Eqs. 3-4)
 *   squares   partial sums of the squares of `pull`, one a group, for its norm
 *   penalty   partial sums of mask (theta - centre)^2, one a group (delmas, Eq. 3)
 *   update    theta and its state vectors, from `pull` times factor[0]
 *
 * g is gradient[i], and where compute units have gradients of their own (shares.cl) the sum with others[s * n + i] over s < SHARES, in order.
 * All vectors have n elements; those that a define leaves out may be any buffer. `h` holds the rule's numbers (rules.h),
 * `factor` 1 or what shortens the gradient to its limit.
 * Grid: any number of groups on one axis (chunks.h). Group: BLOCK items, a power of two. Sums are kept in WIDE, in a fixed order.
 * Defines: those of prelude.h; BLOCK; L2 CENTRE MASK CLIP_VALUE CLIP_NORM, each 0 or 1; SHARES, 0 where the
 * gradient is whole; RULE, as in rules.h.
 */
#include "prelude.h"
#include "chunks.h"
#include "rules.h"

DEVICE REALV away(GLOBAL const REAL* theta, GLOBAL const REAL* centre, INDEX i, INDEX n)
{
#if CENTRE
    return LOAD_PART(theta, i, n) - LOAD_PART(centre, i, n);
#else
    return LOAD_PART(theta, i, n);
#endif
}

DEVICE REALV masked(REALV value, GLOBAL const REAL* mask, INDEX i, INDEX n)
{
#if MASK
    return value * LOAD_PART(mask, i, n);
#else
    return value;
#endif
}

DEVICE REALV pull(GLOBAL const REAL* theta, GLOBAL const REAL* gradient, GLOBAL const REAL* others, GLOBAL const REAL* centre,
                  GLOBAL const REAL* mask, REAL l2, REAL clip_value, INDEX i, INDEX n)
{
    REALV g = LOAD_PART(gradient, i, n);
    for (int s = 0; s < SHARES; ++s) g += LOAD_PART(others + s * n, i, n);
#if L2
    g += l2 * masked(away(theta, centre, i, n), mask, i, n);
#endif
#if CLIP_VALUE
    /* Not fmin and fmax, which lose a NaN. */
    const REALV most = (REALV)(clip_value);
    g = g > most ? most : g;
    g = g < -most ? -most : g;
#endif
    return g;
}

#define SUM_GROUP(value, target)                                                      \
    SHARED WIDE shared[BLOCK];                                                        \
    shared[LOCAL_ID(0)] = (value);                                                    \
    BARRIER();                                                                        \
    for (int reach = BLOCK / 2; reach > 0; reach /= 2) {                              \
        if (LOCAL_ID(0) < reach) shared[LOCAL_ID(0)] += shared[LOCAL_ID(0) + reach];  \
        BARRIER();                                                                    \
    }                                                                                 \
    if (LOCAL_ID(0) == 0) (target) = shared[0]

KERNEL void squares(GLOBAL const REAL* theta, GLOBAL const REAL* gradient, GLOBAL const REAL* others,
                    GLOBAL const REAL* centre, GLOBAL const REAL* mask, REAL l2, REAL clip_value, INDEX n, GLOBAL WIDE* partial)
{
    TAKE_CHUNK(n);
    WIDEV sum = (WIDEV)(0);
    for EACH_PART(i)
    {
        const WIDEV g = TO_WIDEV(pull(theta, gradient, others, centre, mask, l2, clip_value, i, n));
        sum = FMA(g, g, sum);
    }
    SUM_GROUP(SUMV(sum), partial[GROUP_ID(0)]);
}

KERNEL void penalty(GLOBAL const REAL* theta, GLOBAL const REAL* centre, GLOBAL const REAL* mask, INDEX n,
                    GLOBAL WIDE* partial)
{
    TAKE_CHUNK(n);
    WIDEV sum = (WIDEV)(0);
    for EACH_PART(i)
    {
#if CENTRE
        const WIDEV distance = TO_WIDEV(LOAD_PART(theta, i, n)) - TO_WIDEV(LOAD_PART(centre, i, n));
#else
        const WIDEV distance = TO_WIDEV(LOAD_PART(theta, i, n));
#endif
#if MASK
        sum += distance * distance * TO_WIDEV(LOAD_PART(mask, i, n));
#else
        sum += distance * distance;
#endif
    }
    SUM_GROUP(SUMV(sum), partial[GROUP_ID(0)]);
}

#define LOAD_OWN(p) LOAD_PART(p, i, n)
#define STORE_OWN(v, p) STORE_PART(v, p, i, n)

KERNEL void update(GLOBAL REAL* theta, GLOBAL const REAL* gradient, GLOBAL const REAL* others, GLOBAL const REAL* centre,
                   GLOBAL const REAL* mask, REAL l2, REAL clip_value, INDEX n, GLOBAL REAL* first_slot,
                   GLOBAL REAL* second_slot, GLOBAL const REAL* h, GLOBAL const REAL* factor)
{
    TAKE_CHUNK(n);
    for EACH_PART(i)
    {
        REALV g = pull(theta, gradient, others, centre, mask, l2, clip_value, i, n);
#if CLIP_NORM
        g *= factor[0];
#endif
        MOVE(REALV, LOAD_OWN, STORE_OWN, g);
    }
}
