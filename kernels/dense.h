/* What the kernels of the dense layer share: where weights are, and the product in register tiles.
 *
 * Values are [block][point][lane]. The layer's parameters begin at element theta0 of theta: w (UNITS, INPUTS), then b. With a TABLE only
 * the weights that exist are stored, by unit: those of unit i are first[i] to first[i + 1] - 1, and weight k reads input source[k].
 * Input j feeds the weights out_weight[k] of units out_unit[k], k from out_first[j] on. Without one the lists may be any buffers.
 *
 * Defines: INPUTS UNITS BIAS TABLE
 */
#if TABLE
#define WEIGHTS_OF(i) (first[i + 1] - first[i])
#define WEIGHT(i, k) (first[i] + (INDEX)(k))
#define BIASES (first[UNITS])
#else
#define WEIGHTS_OF(i) INPUTS
#define WEIGHT(i, k) ((i) * (INDEX)INPUTS + (k))
#define BIASES ((INDEX)UNITS * INPUTS)
#endif

#ifdef BLOCKS_TILE
/* sum[r][b] += sum over k < depth of w[r * row + k * step] x[b][k], for the first `count` blocks b of the tile: ROWS_TILE rows of W or of
 * its transpose. A weight that was loaded serves all blocks of the tile, and a value all of its rows. */
INLINED void add_product(REALV sum[ROWS_TILE][BLOCKS_TILE], GLOBAL const REAL* w, const int row, const int step,
                         GLOBAL const REAL* x, const int depth, const int count)
{
    for (int k = 0; k < depth; ++k) {
        REALV seen[BLOCKS_TILE];
        UNROLLED(b, BLOCKS_TILE) if (b < count) seen[b] = LOADV(x, AT((INDEX)b * depth + k));
        UNROLLED(r, ROWS_TILE) {
            const REALV weight = (REALV)(w[r * (INDEX)row + k * (INDEX)step]);
            UNROLLED(b, BLOCKS_TILE) if (b < count) sum[r][b] = FMA(weight, seen[b], sum[r][b]);
        }
    }
}

/* TAKE(.., first block, number of blocks), for the tile of blocks that is this item's: whole, or what is left of the last block by block. */
#define ON_BLOCKS(blocks, TAKE, ...)                                                              \
    do {                                                                                          \
        const int block0 = GROUP_ID(1) * BLOCKS_TILE;                                             \
        if (BLOCKS_TILE == 1 || block0 + BLOCKS_TILE <= (blocks))                                 \
            TAKE(__VA_ARGS__, block0, BLOCKS_TILE);                                               \
        else                                                                                      \
            for (int block = block0; block < (blocks); ++block) TAKE(__VA_ARGS__, block, 1);      \
    } while (0)
#endif
