/* What becomes of the slope of a parameter: it is written to the gradient, or moves the parameter at once (rules.h).
 *
 *   GIVE(value, gradient, i, add)    parameter i has this slope: PUT, or where UPDATES is 1, MOVE, once for each parameter; `add` is then 0
 *   GIVEB(v, gradient, i, add)       the same for the BROAD parameters from i on
 *   UPDATE_PARAMETERS                what a kernel needs for that, behind its other parameters
 *
 * A kernel that gives slopes reads no theta of its own.
 * Defines: UPDATES (default 0); where it is 1, RULE.
 */
#if UPDATES
#include "rules.h"
#define UPDATE_PARAMETERS                                                                           \
    , GLOBAL REAL* RESTRICT theta, GLOBAL REAL* RESTRICT first_slot, GLOBAL REAL* RESTRICT second_slot, \
        GLOBAL const REAL* RESTRICT h
#define LOAD_AT(p) ((p)[place])
#define STORE_AT(v, p) ((p)[place] = (v))
#define LOADB_AT(p) LOADB(p, place)
#define STOREB_AT(v, p) STOREB(v, p, place)
#define GIVE(value, gradient, i, add)            \
    do {                                         \
        const INDEX place = (i);                 \
        const REAL slope = (REAL)(value);        \
        MOVE(REAL, LOAD_AT, STORE_AT, slope);    \
    } while (0)
#define GIVEB(v, gradient, i, add)               \
    do {                                         \
        const INDEX place = (i);                 \
        const REALB slope = (v);                 \
        MOVE(REALB, LOADB_AT, STOREB_AT, slope); \
    } while (0)
#else
#define UPDATE_PARAMETERS
#define GIVE(value, gradient, i, add) PUT(value, gradient, i, add)
#define GIVEB(v, gradient, i, add) PUTB(v, gradient, i, add)
#endif
