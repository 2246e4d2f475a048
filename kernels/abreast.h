/* Neighbouring columns in one vector, where blocks are narrower than the device's: [column][lane] is contiguous, so that windows that move by 1
 * and stay inside see broad vectors, each a column on from the one before.
 *
 *   REALX              a vector of ABREAST columns; LOADX(p, i) and STOREX(v, p, i)
 *   START(v, columns)  where vector v of so many columns begins; the last is moved back, so that it ends with them
 *   ADD_COLUMNS(v)     the sum of a vector's columns, a REALV
 *   FROM_COLUMN(v, n)  v with 0 in its first n columns
 *
 * Define: ABREAST, 1, or BROAD / LANES where that is not more than the columns.
 */
#define START(v, columns) ((v) * ABREAST < (columns) - ABREAST ? (v) * ABREAST : (columns) - ABREAST)
#if ABREAST == 1
#define REALX REALV
#define LOADX LOADV
#define STOREX STOREV
#define ADD_COLUMNS(v) (v)
#define FROM_COLUMN(v, n) (v)
#else
#define REALX REALB
#define LOADX LOADB
#define STOREX STOREB
#if ABREAST == 2
#define ADD_COLUMNS(v) ((v).lo + (v).hi)
#elif ABREAST == 4
#define ADD_COLUMNS(v) (((v).lo.lo + (v).lo.hi) + ((v).hi.lo + (v).hi.hi))
#else
#error "columns abreast are 1, 2 or 4"
#endif
INLINED REALX FROM_COLUMN(const REALX v, const int n)
{
    REAL kept[BROAD];
    UNROLLED(lane, BROAD) kept[lane] = lane >= n * LANES;
    return LOADX(kept, 0) > 0 ? v : (REALX)(0);
}
#endif
