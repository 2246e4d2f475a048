/* Update rules on flat vectors: delmas, Eqs. 3-11; Hedberg 2015, Eqs. 118-121 (gcnn/optimizers has each formula).
 *
 *   pull      g + l2 mask (theta - centre), clipped to +-clip_value: the gradient that a rule sees (delmas, Eqs. 3-4)
 *   squares   partial sums of the squares of `pull`, one a group, for its norm
 *   penalty   partial sums of mask (theta - centre)^2, one a group (delmas, Eq. 3)
 *   update    theta and its state vectors, from `pull` times factor[0]
 *
 * All vectors have n elements; those that a define leaves out may be any buffer. `h` holds the rule's numbers in the order
 * of its formula below, `factor` 1 or what shortens the gradient to its limit.
 * Grid: any number of groups on one axis. Group: BLOCK items, a power of two. Sums are kept in WIDE, in a fixed order.
 * Defines: BLOCK; L2 CENTRE MASK CLIP_VALUE CLIP_NORM, each 0 or 1; RULE, one of the numbers below.
 */
#include "prelude.h"

#define GRADIENT_DESCENT 0
#define MOMENTUM 1
#define DAMPED_PARTICLE 2
#define ADAGRAD 3
#define ADAGRAD_MEAN 4
#define RMSPROP 5
#define ADAM 6

#define EACH(i) (INDEX i = GLOBAL_ID(0); i < n; i += GLOBAL_SIZE(0))

DEVICE REAL away(GLOBAL const REAL* theta, GLOBAL const REAL* centre, INDEX i)
{
#if CENTRE
    return theta[i] - centre[i];
#else
    return theta[i];
#endif
}

DEVICE REAL masked(REAL value, GLOBAL const REAL* mask, INDEX i)
{
#if MASK
    return value * mask[i];
#else
    return value;
#endif
}

DEVICE REAL pull(GLOBAL const REAL* theta, GLOBAL const REAL* gradient, GLOBAL const REAL* centre, GLOBAL const REAL* mask,
                 REAL l2, REAL clip_value, INDEX i)
{
    REAL g = gradient[i];
#if L2
    g += l2 * masked(away(theta, centre, i), mask, i);
#endif
#if CLIP_VALUE
    /* Not fmin and fmax, which lose a NaN. */
    g = g > clip_value ? clip_value : g < -clip_value ? -clip_value : g;
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

KERNEL void squares(GLOBAL const REAL* theta, GLOBAL const REAL* gradient, GLOBAL const REAL* centre,
                    GLOBAL const REAL* mask, REAL l2, REAL clip_value, INDEX n, GLOBAL WIDE* partial)
{
    WIDE sum = 0;
    for EACH(i)
    {
        const WIDE g = pull(theta, gradient, centre, mask, l2, clip_value, i);
        sum = FMA(g, g, sum);
    }
    SUM_GROUP(sum, partial[GROUP_ID(0)]);
}

KERNEL void penalty(GLOBAL const REAL* theta, GLOBAL const REAL* centre, GLOBAL const REAL* mask, INDEX n,
                    GLOBAL WIDE* partial)
{
    WIDE sum = 0;
    for EACH(i)
    {
#if CENTRE
        const WIDE distance = (WIDE)theta[i] - (WIDE)centre[i];
#else
        const WIDE distance = theta[i];
#endif
#if MASK
        sum += distance * distance * (WIDE)mask[i];
#else
        sum += distance * distance;
#endif
    }
    SUM_GROUP(sum, partial[GROUP_ID(0)]);
}

KERNEL void update(GLOBAL REAL* theta, GLOBAL const REAL* gradient, GLOBAL REAL* first, GLOBAL REAL* second,
                   GLOBAL const REAL* centre, GLOBAL const REAL* mask, REAL l2, REAL clip_value, INDEX n,
                   GLOBAL const REAL* h, GLOBAL const REAL* factor)
{
    for EACH(i)
    {
        REAL g = pull(theta, gradient, centre, mask, l2, clip_value, i);
#if CLIP_NORM
        g *= factor[0];
#endif
#if RULE == GRADIENT_DESCENT
        /* h: lr */
        theta[i] -= h[0] * g;
#elif RULE == MOMENTUM
        /* h: lr, momentum */
        const REAL step = h[1] * first[i] - h[0] * g;
        first[i] = step;
        theta[i] += step;
#elif RULE == DAMPED_PARTICLE
        /* h: alpha, 1 - gamma alpha */
        const REAL velocity = h[1] * first[i] - h[0] * g;
        first[i] = velocity;
        theta[i] += h[0] * velocity;
#elif RULE == ADAGRAD || RULE == ADAGRAD_MEAN || RULE == RMSPROP
        /* h: lr, eps, the weight of the newest square: none for the sum, 1 / n for the mean, 1 - beta for RMSProp */
#if RULE == ADAGRAD
        const REAL squares = first[i] + g * g;
#else
        const REAL squares = first[i] + h[2] * (g * g - first[i]);
#endif
        first[i] = squares;
        theta[i] -= h[0] * g / (sqrt(squares) + h[1]);
#elif RULE == ADAM
        /* h: lr, eps, 1 - beta1, 1 - beta2, 1 - beta1^n, 1 - beta2^n */
        const REAL mean = first[i] + h[2] * (g - first[i]), square = second[i] + h[3] * (g * g - second[i]);
        first[i] = mean;
        second[i] = square;
        theta[i] -= h[0] * (mean / h[4]) / (sqrt(square / h[5]) + h[1]);
#endif
    }
}
