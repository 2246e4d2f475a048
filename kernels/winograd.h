/* What the kernels of Winograd's algorithm share: positions of what is read. Tiles are MADE by MADE outputs, which see SIDE by SIDE values.
 *
 *         1 0 -1 0
 *   B^T = 0 1  1 0
 *         0 -1 1 0
 *         0 1  0 -1
 *
 * Defines: FROM_HEIGHT FROM_WIDTH
 */
#define SIDE 4
#define POSITIONS (SIDE * SIDE)
#define TAPS 9
#define MADE 2
#define INSIDE(x, size) ((x) >= 0 && (x) < (size))

/* The positions of the 4x4 values whose corner is (y, x): B^T d B. */
INLINED void positions_of(REALV p[POSITIONS], GLOBAL const REAL* plane, const int y, const int x)
{
    REALV d[POSITIONS], turned[POSITIONS];
    const int inner = y >= 0 && y + SIDE <= FROM_HEIGHT && x >= 0 && x + SIDE <= FROM_WIDTH;
    if (inner) {
        UNROLLED(n, POSITIONS) d[n] = LOADV(plane, AT((y + n / SIDE) * FROM_WIDTH + x + n % SIDE));
    } else {
        NOT_UNROLLED(n, POSITIONS) {
            const int iy = y + n / SIDE, ix = x + n % SIDE;
            turned[n] = (REALV)(0);
            if (INSIDE(iy, FROM_HEIGHT) && INSIDE(ix, FROM_WIDTH)) turned[n] = LOADV(plane, AT(iy * FROM_WIDTH + ix));
        }
        UNROLLED(n, POSITIONS) d[n] = turned[n];
    }
    UNROLLED(c, SIDE) {
        turned[c] = d[c] - d[8 + c];
        turned[4 + c] = d[4 + c] + d[8 + c];
        turned[8 + c] = d[8 + c] - d[4 + c];
        turned[12 + c] = d[4 + c] - d[12 + c];
    }
    UNROLLED(r, SIDE) {
        p[r * SIDE] = turned[r * SIDE] - turned[r * SIDE + 2];
        p[r * SIDE + 1] = turned[r * SIDE + 1] + turned[r * SIDE + 2];
        p[r * SIDE + 2] = turned[r * SIDE + 2] - turned[r * SIDE + 1];
        p[r * SIDE + 3] = turned[r * SIDE + 1] - turned[r * SIDE + 3];
    }
}
