/* Lanes change places with vectors: what LANES vectors of LANES lanes hold, turned over in registers. For V = LANES alone.
 *
 *   EXCHANGE_LANES(t, x)   lane s of t[n] := lane n of x[s]
 */
#if V == LANES
#if V == 16
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif V == 8
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#elif V == 4
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#else
#define EVENS 0, 2
#define ODDS 1, 3
#endif
/* Of two vectors the even lanes, and the odd ones. By Clang's name a shuffle is one instruction; of the parts that OpenCL names some
 * compilers make ten. */
#ifdef __clang__
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define EVENS_OF(a, b) PICK(a, b, EVENS)
#define ODDS_OF(a, b) PICK(a, b, ODDS)
#else
#define EVENS_OF(a, b) ((REALV)((a).even, (b).even))
#define ODDS_OF(a, b) ((REALV)((a).odd, (b).odd))
#endif

/* Each time the bits of (vector, lane) move round by one; when all bits of a lane have, the two have changed places. */
#define SHUFFLE(from, to)                                                      \
    UNROLLED(n, LANES / 2) {                                                   \
        to[n] = EVENS_OF(from[2 * n], from[2 * n + 1]);                        \
        to[n + LANES / 2] = ODDS_OF(from[2 * n], from[2 * n + 1]);             \
    }

INLINED void EXCHANGE_LANES(REALV t[LANES], const REALV x[LANES])
{
    REALV s[LANES];
    UNROLLED(n, LANES) t[n] = x[n];
#if LANES == 2
    SHUFFLE(x, t);
#elif LANES == 4
    SHUFFLE(x, s);
    SHUFFLE(s, t);
#elif LANES == 8
    SHUFFLE(x, t);
    SHUFFLE(t, s);
    SHUFFLE(s, t);
#elif LANES == 16
    SHUFFLE(x, t);
    SHUFFLE(t, s);
    SHUFFLE(s, t);
    SHUFFLE(t, s);
    UNROLLED(n, LANES) t[n] = s[n];
#endif
}
#endif
