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
        var bins = [(count: Double, sum: Double, true: Double)](repeating: (0, 0, 0), count: 10)
        for (truth, answer) in list {
            for b in 0..<terms {
                let i = min(9, Int(10 * answer.bits[b]))
                bins[i] = (bins[i].count + 1, bins[i].sum + answer.bits[b], bins[i].true + (truth[b] ? 1 : 0))
            }
        }
        let logs = list.map(\.answer.logTruth), mean = logs.reduce(0, +) / n
        let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1)
        let ranked = subspace > 1 && isRanked
        return Scores(
            top1: ranked ? Double(list.count { $0.answer.rank == 0 }) / n : nil,
            top5: ranked ? Double(list.count { $0.answer.rank < 5 }) / n : nil,
            macroF1: f1.reduce(0, +) / Double(max(1, f1.count)),
            calibrationError: bins.reduce(0) { $0 + abs($1.sum - $1.true) } / (n * Double(terms)),
            logTruth: mean, logTruthError: (variance / n).squareRoot(),
            secondsPerSeries: list.reduce(0) { $0 + $1.answer.seconds } / n,
            numbers: NumberScores(list.compactMap(\.answer.numbers)),
            beyond: BeyondScores(list.compactMap(\.answer.beyond)))
    }
}
