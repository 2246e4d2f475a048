/* Lanes change places with vectors, in registers. For V = LANES alone.
 *
 *   EXCHANGE_LANES(t, x)   lane s of t[n] := lane n of x[s]: LANES vectors of LANES lanes, turned over
 *   GATHER_LANES(t, x)     t[s] := lane s of BROAD points, which LANES broad vectors x hold one after another, [point][lane]
 */
#if V == LANES
#define TWO_EVENS 0, 2
#define FOUR_EVENS TWO_EVENS, 4, 6
#define EIGHT_EVENS FOUR_EVENS, 8, 10, 12, 14
#define SIXTEEN_EVENS EIGHT_EVENS, 16, 18, 20, 22, 24, 26, 28, 30
#define TWO_ODDS 1, 3
#define FOUR_ODDS TWO_ODDS, 5, 7
#define EIGHT_ODDS FOUR_ODDS, 9, 11, 13, 15
#define SIXTEEN_ODDS EIGHT_ODDS, 17, 19, 21, 23, 25, 27, 29, 31
/* Of two vectors the even lanes, and the odd ones. By Clang's name a shuffle is one instruction; of the parts that OpenCL names some
 * compilers make ten. */
#ifndef __clang__
#define EVENS(a, b) ((REALV)((a).even, (b).even))
#define ODDS(a, b) ((REALV)((a).odd, (b).odd))
#define BROAD_EVENS(a, b) ((REALB)((a).even, (b).even))
#define BROAD_ODDS(a, b) ((REALB)((a).odd, (b).odd))
#else
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#if V == 16
#define EVENS(a, b) PICK(a, b, SIXTEEN_EVENS)
#define ODDS(a, b) PICK(a, b, SIXTEEN_ODDS)
#elif V == 8
#define EVENS(a, b) PICK(a, b, EIGHT_EVENS)
#define ODDS(a, b) PICK(a, b, EIGHT_ODDS)
#elif V == 4
#define EVENS(a, b) PICK(a, b, FOUR_EVENS)
#define ODDS(a, b) PICK(a, b, FOUR_ODDS)
#else
#define EVENS(a, b) PICK(a, b, TWO_EVENS)
#define ODDS(a, b) PICK(a, b, TWO_ODDS)
#endif
#if BROAD == 16
#define BROAD_EVENS(a, b) PICK(a, b, SIXTEEN_EVENS)
#define BROAD_ODDS(a, b) PICK(a, b, SIXTEEN_ODDS)
#elif BROAD == 8
#define BROAD_EVENS(a, b) PICK(a, b, EIGHT_EVENS)
#define BROAD_ODDS(a, b) PICK(a, b, EIGHT_ODDS)
#elif BROAD == 4
#define BROAD_EVENS(a, b) PICK(a, b, FOUR_EVENS)
#define BROAD_ODDS(a, b) PICK(a, b, FOUR_ODDS)
#else
#define BROAD_EVENS(a, b) PICK(a, b, TWO_EVENS)
#define BROAD_ODDS(a, b) PICK(a, b, TWO_ODDS)
#endif
#endif

/* Each time the bits of (vector, lane) move round by one; when all bits of a block's lane have, s is what counts the vectors. */
#define ROUND(EVENS_OF, ODDS_OF, from, to)                                 \
    UNROLLED(n, LANES / 2) {                                               \
        to[n] = EVENS_OF(from[2 * n], from[2 * n + 1]);                    \
        to[n + LANES / 2] = ODDS_OF(from[2 * n], from[2 * n + 1]);         \
    }
#if LANES == 1
#define ROUNDS(VECTOR, EVENS_OF, ODDS_OF, t, x) t[0] = x[0]
#elif LANES == 2
#define ROUNDS(VECTOR, EVENS_OF, ODDS_OF, t, x) ROUND(EVENS_OF, ODDS_OF, x, t)
#elif LANES == 4
#define ROUNDS(VECTOR, EVENS_OF, ODDS_OF, t, x) \
    VECTOR s[LANES];                            \
    ROUND(EVENS_OF, ODDS_OF, x, s);             \
    ROUND(EVENS_OF, ODDS_OF, s, t)
#elif LANES == 8
#define ROUNDS(VECTOR, EVENS_OF, ODDS_OF, t, x) \
    VECTOR s[LANES];                            \
    ROUND(EVENS_OF, ODDS_OF, x, t);             \
    ROUND(EVENS_OF, ODDS_OF, t, s);             \
    ROUND(EVENS_OF, ODDS_OF, s, t)
#else
#define ROUNDS(VECTOR, EVENS_OF, ODDS_OF, t, x) \
    VECTOR s[LANES];                            \
    ROUND(EVENS_OF, ODDS_OF, x, t);             \
    ROUND(EVENS_OF, ODDS_OF, t, s);             \
    ROUND(EVENS_OF, ODDS_OF, s, t);             \
    ROUND(EVENS_OF, ODDS_OF, t, s);             \
    UNROLLED(n, LANES) t[n] = s[n]
#endif

INLINED void EXCHANGE_LANES(REALV t[LANES], const REALV x[LANES]) { ROUNDS(REALV, EVENS, ODDS, t, x); }

INLINED void GATHER_LANES(REALB t[LANES], const REALB x[LANES]) { ROUNDS(REALB, BROAD_EVENS, BROAD_ODDS, t, x); }
#endif
