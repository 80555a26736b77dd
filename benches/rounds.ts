/**
 * Rounds: racers that take turns.
 *
 * A machine has other things to do, so no absolute number is worth much: what counts are ratios
 * between racers that ran moments apart. Each round gives every racer one turn; a ratio is taken
 * within a round, and the median over all rounds is what is reported.
 */

/**
 * Lets racers take turns.
 *
 * @returns for each racer what its turns came to, in the order of the rounds
 */
export async function takeTurns<Racer, Turn>(
  racers: readonly Racer[],
  rounds: number,
  turn: (racer: Racer) => Turn | Promise<Turn>,
): Promise<Turn[][]> {
  const turns = racers.map((): Turn[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < racers.length; place++) {
      // Who begins changes, so that nobody always runs in what another has left behind.
      const index = (place + round) % racers.length;
      const racer = racers[index];
      if (racer !== undefined) turns[index]?.push(await turn(racer));
    }
  }
  return turns;
}

/** The median of the ratios within the rounds. */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((number, round) => number / (theirs[round] ?? Number.NaN)));
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = low] =
    sorted.length % 2 === 0 ? sorted.slice(middle - 1, middle + 1) : [sorted[middle]];
  return (low + high) / 2;
}
