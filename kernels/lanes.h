/* Sums over the samples of a block, and which of its lanes hold samples.
 *
 * LANE_SUM(v, scratch)   the sum over all LANES lanes of a REALV or WIDEV, in WIDE: of a vector's components where V = LANES, of
 *                        the threads side by side where V = 1, through `scratch`, which LANE_SCRATCH(scratch)
 *                        declares in a kernel's outermost scope. Every thread of the group must take part, and every thread gets the sum. Always in the same
 *                        order. Not to be called in a branch, even one that all threads take: PoCL compiles that for minutes.
 * FIRST_LANE             this work-item's first lane; `FIRST_LANE == 0` names one item of a block.
 * SAMPLES_OF(block, samples)   how many lanes of a block hold one of the first `samples` samples.
 * IN_USE(block, samples) 1 in the lanes that hold one of the first `samples` samples, 0 in the others, as REALV.
 */
#if V == LANES
#define LANE_SCRATCH(name)
#define LANE_SUM(v, scratch) SUMV(TO_WIDEV(v))
#define FIRST_LANE 0
#else
#define LANE_SCRATCH(name) SHARED WIDE name[LANES]
#define FIRST_LANE LOCAL_ID(0)
DEVICE WIDE LANE_SUM(WIDEV v, SHARED_ARG WIDE* scratch)
{
    scratch[LOCAL_ID(0)] = v;
    BARRIER();
    for (int reach = LANES / 2; reach > 0; reach /= 2) {
        if (LOCAL_ID(0) < reach) scratch[LOCAL_ID(0)] += scratch[LOCAL_ID(0) + reach];
        BARRIER();
    }
    const WIDE sum = scratch[0];
    BARRIER();
    return sum;
}
#endif

#define SAMPLES_OF(block, samples) ((samples) - (block) * LANES < LANES ? (samples) - (block) * LANES : LANES)

DEVICE REALV IN_USE(int block, int samples)
{
    REAL each[V];
    for (int lane = 0; lane < V; ++lane) each[lane] = block * LANES + FIRST_LANE + lane < samples;
    return LOADV(each, 0);
}

/* Write each lane to its sample's row at `column`, where the lane holds one of the first `samples` samples. */
DEVICE void STORE_ROWS(REALV v, GLOBAL REAL* rows, INDEX width, INDEX column, int block, int samples)
{
    REAL each[V];
    STOREV(v, each, 0);
    for (int lane = 0; lane < V; ++lane) {
        const INDEX sample = (INDEX)block * LANES + FIRST_LANE + lane;
        if (sample < samples) rows[sample * width + column] = each[lane];
    }
}
