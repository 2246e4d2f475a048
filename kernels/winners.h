/* Which cell of a window was its maximum: a number a lane, of WINNER_BITS bits in memory.
 *
 * LANE_INT                      a number a lane, as comparisons of REALV give them, so that it can be selected by them
 * TAKE_LARGER(best, won, v, n)  best, won := v, n in the lanes where v is larger, or is the first NaN
 * LOAD_WINNERS(p, i) and STORE_WINNERS(n, p, i)   at element i of an array of WINNER
 * Define: WINNER_BITS, 8, 16 or 32: enough for the cells of a window.
 */
#if V == 1
typedef int LANE_INT;
#elif REAL_BITS == 64
typedef PASTE(long, V) LANE_INT;
#else
typedef PASTE(int, V) LANE_INT;
#endif

#if WINNER_BITS == 8
typedef unsigned char WINNER;
#define NARROW_ uchar
#elif WINNER_BITS == 16
typedef unsigned short WINNER;
#define NARROW_ ushort
#elif WINNER_BITS == 32
typedef unsigned int WINNER;
#define NARROW_ uint
#else
#error "WINNER_BITS must be 8, 16 or 32"
#endif

#if V == 1
#define LOAD_WINNERS(p, i) ((LANE_INT)(p)[i])
#define STORE_WINNERS(n, p, i) ((p)[i] = (WINNER)(n))
#else
#if REAL_BITS == 64
#define LOAD_WINNERS(p, i) PASTE(convert_long, V)(LOADV(p, i))
#else
#define LOAD_WINNERS(p, i) PASTE(convert_int, V)(LOADV(p, i))
#endif
#define STORE_WINNERS(n, p, i) STOREV(PASTE(PASTE(convert_, NARROW_), V)(n), p, i)
#endif

#define TAKE_LARGER(best, won, value, number)                                                         \
    do {                                                                                              \
        const LANE_INT better = ((value) > (best)) | (((value) != (value)) & ((best) == (best)));     \
        best = better ? (value) : (best);                                                             \
        won = better ? (LANE_INT)(number) : (won);                                                    \
    } while (0)
