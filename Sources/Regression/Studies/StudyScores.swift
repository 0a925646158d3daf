import ModelSpace

extension SimulatedSeriesStudy {
    func scores(_ list: [(truth: Structure, answer: Answer)], isRanked: Bool = true) -> Scores {
        let n = Double(list.count), terms = family.terms.count
        var f1: [Double] = []
        for b in 0..<terms {
            let hits = list.count { $0.truth[b] && $0.answer.bits[b] > 0.5 }
            let misses = list.count { $0.truth[b] != ($0.answer.bits[b] > 0.5) }
            if list.contains(where: { $0.truth[b] }) { f1.append(2 * Double(hits) / Double(2 * hits + misses)) }
        }
        /// Σ over tenths of probability of |probabilities − how many came true|, a pair of a series and a term each.
        func calibrationError(_ isTrue: (Structure, Int, Double) -> Bool) -> Double {
            var gaps = [Double](repeating: 0, count: 10)
            for (truth, answer) in list {
                for b in 0..<terms {
                    let p = answer.bits[b]
                    gaps[min(9, Int(10 * p))] += p - (isTrue(truth, b, p) ? 1 : 0)
                }
            }
            return gaps.reduce(0) { $0 + abs($1) } / (n * Double(terms))
        }
        var random = RandomSource(seed: seed, stream: 0, substream: 0x4341_4C49), perfect = 0.0
        let replicates = 20
        for _ in 0..<replicates {
            perfect += calibrationError { _, _, p in random.uniform() < p } / Double(replicates)
        }
        let logs = list.map(\.answer.logTruth), mean = logs.reduce(0, +) / n
        let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1)
        let ranked = subspace > 1 && isRanked
        return Scores(
            top1: ranked ? Double(list.count { $0.answer.rank == 0 }) / n : nil,
            top5: ranked ? Double(list.count { $0.answer.rank < 5 }) / n : nil,
            macroF1: f1.reduce(0, +) / Double(max(1, f1.count)),
            calibrationError: calibrationError { truth, b, _ in truth[b] }, calibrationErrorIfPerfect: perfect,
            logTruth: mean, logTruthError: (variance / n).squareRoot(),
            secondsPerSeries: list.reduce(0) { $0 + $1.answer.seconds } / n,
            numbers: NumberScores(list.compactMap(\.answer.numbers)),
            beyond: BeyondScores(list.compactMap(\.answer.beyond)))
    }
}
