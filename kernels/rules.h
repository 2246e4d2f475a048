/* Update rules: delmas, Eqs. 6-11; Hedberg 2015, Eqs. 118-121 (gcnn/optimizers has each formula).
 *
 *   MOVE(NUMBER, LOAD, STORE, g)   moves a parameter, or a vector of them, by its gradient g, and the rule's state with it. LOAD(p) and
 *                                  STORE(v, p), of that NUMBER, are of its place in the vectors theta, first_slot and second_slot, of
 *                                  which a rule uses those that it has; `h` holds the rule's numbers, in the order below.
 *
 * Define: RULE, one of the numbers below.
 */
#define GRADIENT_DESCENT 0
#define MOMENTUM 1
#define DAMPED_PARTICLE 2
#define ADAGRAD 3
#define ADAGRAD_MEAN 4
#define RMSPROP 5
#define ADAM 6

#if RULE == GRADIENT_DESCENT
/* h: lr */
#define MOVE(NUMBER, LOAD, STORE, g)                \
    do {                                            \
        const NUMBER moved = LOAD(theta) - h[0] * (g); \
        STORE(moved, theta);                        \
    } while (0)
#elif RULE == MOMENTUM
/* h: lr, momentum */
#define MOVE(NUMBER, LOAD, STORE, g)                                    \
    do {                                                                \
        const NUMBER step_taken = h[1] * LOAD(first_slot) - h[0] * (g); \
        const NUMBER moved = LOAD(theta) + step_taken;                  \
        STORE(step_taken, first_slot);                                  \
        STORE(moved, theta);                                            \
    } while (0)
#elif RULE == DAMPED_PARTICLE
/* h: alpha, 1 - gamma alpha */
#define MOVE(NUMBER, LOAD, STORE, g)                                  \
    do {                                                              \
        const NUMBER velocity = h[1] * LOAD(first_slot) - h[0] * (g); \
        const NUMBER moved = LOAD(theta) + h[0] * velocity;           \
        STORE(velocity, first_slot);                                  \
        STORE(moved, theta);                                          \
    } while (0)
#elif RULE == ADAGRAD || RULE == ADAGRAD_MEAN || RULE == RMSPROP
/* h: lr, eps, the weight of the newest square: none for the sum, 1 / n for the mean, 1 - beta for RMSProp */
#if RULE == ADAGRAD
#define WITH_SQUARE(squares, g) ((squares) + (g) * (g))
#else
#define WITH_SQUARE(squares, g) ((squares) + h[2] * ((g) * (g) - (squares)))
#endif
#define MOVE(NUMBER, LOAD, STORE, g)                                                 \
    do {                                                                             \
        const NUMBER before = LOAD(first_slot), squares = WITH_SQUARE(before, g);    \
        const NUMBER moved = LOAD(theta) - h[0] * (g) / (sqrt(squares) + h[1]);      \
        STORE(squares, first_slot);                                                  \
        STORE(moved, theta);                                                         \
    } while (0)
#elif RULE == ADAM
/* h: lr, eps, 1 - beta1, 1 - beta2, 1 - beta1^n, 1 - beta2^n */
#define MOVE(NUMBER, LOAD, STORE, g)                                                             \
    do {                                                                                         \
        NUMBER mean = LOAD(first_slot), square = LOAD(second_slot);                              \
        mean += h[2] * ((g) - mean);                                                             \
        square += h[3] * ((g) * (g) - square);                                                   \
        const NUMBER moved = LOAD(theta) - h[0] * (mean / h[4]) / (sqrt(square / h[5]) + h[1]);  \
        STORE(mean, first_slot);                                                                 \
        STORE(square, second_slot);                                                              \
        STORE(moved, theta);                                                                     \
    } while (0)
#else
#error "RULE is none of these numbers"
#endif
