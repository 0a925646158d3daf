import Foundation

/// What the network sees of a series: an observation's place, height, and neighbours; and the whole in a few numbers.
enum SeriesFeatures {
    static let featureCount = 16, summaryCount = 10

    static func fill(
        _ x: [Double], _ y: [Double], _ features: UnsafeMutablePointer<Float>, _ summary: UnsafeMutablePointer<Float>
    ) {
        let n = x.count, count = Double(n), tiny = 1e-9
        func rms(_ v: [Double]) -> Double {
            (v.reduce(0) { $0 + $1 * $1 } / Double(max(1, v.count))).squareRoot() + tiny
        }
        let mean = y.reduce(0, +) / count, centred = y.map { $0 - mean }, size = rms(y), sd = rms(centred)
        // What an observation is off the line through its neighbours, in units of white noise.
        var off = [Double](repeating: 0, count: n), step = off
        for i in y.indices {
            if i > 0 { step[i] = y[i] - y[i - 1] }
            guard i > 0, i + 1 < n, x[i + 1] > x[i - 1] else { continue }
            let t = (x[i] - x[i - 1]) / (x[i + 1] - x[i - 1])
            off[i] = (y[i] - (1 - t) * y[i - 1] - t * y[i + 1]) / (1 + (1 - t) * (1 - t) + t * t).squareRoot()
        }
        let rough = rms(off), stepSize = rms(step)
        func clip(_ v: Double, _ most: Double = 5) -> Float { Float(max(-most, min(most, v))) }
        for i in y.indices {
            let f = features + i * featureCount, near = max(0, i - 3)...min(n - 1, i + 3)
            f[0] = Float(x[i] / 5 - 1)
            for k in 0..<3 {
                f[1 + 2 * k] = Float(sin(.pi * x[i] / 10 * Double(1 << k)))
                f[2 + 2 * k] = Float(cos(.pi * x[i] / 10 * Double(1 << k)))
            }
            f[7] = clip(y[i] / size)
            f[8] = clip(asinh(y[i] * 3))
            f[9] = clip(centred[i] / sd)
            f[10] = clip(step[i] / stepSize)
            f[11] = clip(off[i] / rough)
            f[12] = i > 0 ? clip((x[i] - x[i - 1]) * count / 10 - 1) : 0
            f[13] = clip(near.reduce(0) { $0 + y[$1] } / Double(near.count) / size)
            f[14] = clip(log((near.reduce(0) { $0 + abs(off[$1]) } / Double(near.count) + tiny) / rough))
            f[15] = Float((log(count) - 4.6) / 0.9)
        }
        let half = n / 2
        let along = zip(x, centred).reduce(0) { $0 + ($1.0 - 5) * $1.1 } / (count * 2.9 * sd)
        let lag = n > 1 ? (1..<n).reduce(0) { $0 + centred[$1] * centred[$1 - 1] } / (count * sd * sd) : 0
        let fourth = off.reduce(0) { $0 + pow($1 / rough, 4) } / count
        let values = [
            log(size), mean / size, log(rough) + 1.5, log(rough / sd) + 1, (log(count) - 4.6) / 0.9, along, lag,
            log(fourth + 0.1) - 1, log(rms(Array(off[..<half])) / rms(Array(off[half...]))),
            log(stepSize / rough) - 0.4,
        ]
        for (i, v) in values.enumerated() { summary[i] = clip(v) }
    }
}
