// Learning curves: points that stand for one episode or several, and their trailing mean.

export const WINDOWS = [1, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];

/** The place in `WINDOWS` that suits a curve of so many episodes: about a thirtieth of it. */
export function suitable(episodes) {
  return Math.max(2, WINDOWS.findLastIndex((size) => size <= episodes / 30));
}

/** A curve as charts use it, of what the server sends. */
export function curveOf(answer) {
  const { episodes, values, low, high, per_point: size, last } = answer;
  return { episodes: [...episodes], values: [...values], low: low && [...low], high: high && [...high],
    weights: episodes.map(() => size), size, last };
}

/** Add the episodes that have come since; returns how many. */
export function extend(curve, answer) {
  answer.episodes.forEach((episode, i) => {
    if (episode <= curve.last) return;
    curve.episodes.push(episode);
    curve.values.push(answer.values[i]);
    curve.low?.push(answer.values[i]);
    curve.high?.push(answer.values[i]);
    curve.weights.push(1);
    curve.last = episode;
  });
  return answer.episodes.length;
}

/** The mean over the last `window` episodes at each point; what has no value is left out of it. */
export function smooth(curve, window) {
  const { values, weights } = curve;
  if (window <= 1) return values;
  const out = new Array(values.length);
  let sum = 0, weight = 0, first = 0;
  for (let i = 0; i < values.length; i++) {
    if (values[i] != null) { sum += values[i] * weights[i]; weight += weights[i]; }
    while (first < i && weight - (values[first] == null ? 0 : weights[first]) >= window) {
      if (values[first] != null) { sum -= values[first] * weights[first]; weight -= weights[first]; }
      first++;
    }
    out[i] = weight > 0 ? sum / weight : null;
  }
  return out;
}
