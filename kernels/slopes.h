/* What becomes of the slope of a parameter: it is written to the gradient, or moves the parameter at once (rules.h).
 *
 *   GIVE(value, gradient, i, add)    parameter i has this slope: PUT, or where UPDATES is 1, MOVE, once for each parameter; `add` is then 0
 *   GIVEV(v, gradient, i, add)       the same for the V parameters from i on
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
#define LOADV_AT(p) LOADV(p, place)
#define STOREV_AT(v, p) STOREV(v, p, place)
#define GIVE(value, gradient, i, add)            \
    do {                                         \
        const INDEX place = (i);                 \
        const REAL slope = (REAL)(value);        \
        MOVE(REAL, LOAD_AT, STORE_AT, slope);    \
    } while (0)
#define GIVEV(v, gradient, i, add)               \
    do {                                         \
        const INDEX place = (i);                 \
        const REALV slope = (v);                 \
        MOVE(REALV, LOADV_AT, STOREV_AT, slope); \
    } while (0)
#else
#define UPDATE_PARAMETERS
#define GIVE(value, gradient, i, add) PUT(value, gradient, i, add)
#define GIVEV(v, gradient, i, add) PUTV(v, gradient, i, add)
#endif
