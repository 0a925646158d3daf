import Foundation

/// A reproducible stream of random numbers: xoshiro256++ seeded through SplitMix64.
///
/// A stream is named by `(seed, stream, substream)`, so that work can be given its own stream by *what* it is (an image
/// voxel, a simulation's number) and never by which thread, shard or batch it falls into.
/// - Source: Blackman & Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021).
public struct RandomSource: RandomNumberGenerator, Sendable {
    private var s0: UInt64, s1: UInt64, s2: UInt64, s3: UInt64
    private var spare: Double = .nan

    public init(seed: UInt64, stream: UInt64 = 0, substream: UInt64 = 0) {
        var state = seed
        func mix(_ x: UInt64) -> UInt64 {
            var z = x
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        state = mix(state &+ 0x9E37_79B9_7F4A_7C15) ^ stream
        state = mix(state &+ 0x9E37_79B9_7F4A_7C15) ^ substream
        func next() -> UInt64 { state &+= 0x9E37_79B9_7F4A_7C15; return mix(state) }
        s0 = next(); s1 = next(); s2 = next(); s3 = next()
    }

    public mutating func next() -> UInt64 {
        let sum = s0 &+ s3
        let result = ((sum << 23) | (sum >> 41)) &+ s0
        let t = s1 << 17
        s2 ^= s0; s3 ^= s1; s1 ^= s2; s0 ^= s3
        s2 ^= t
        s3 = (s3 << 45) | (s3 >> 19)
        return result
    }

    /// Uniform on the open interval (0, 1).
    public mutating func uniform() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }

    /// Uniform on [low, high).
    public mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

    /// A whole number uniform on 0 ..< bound.
    public mutating func index(below bound: Int) -> Int {
        Int((next().multipliedFullWidth(by: UInt64(bound))).high)
    }

    /// Standard normal, by Marsaglia's polar method.
    public mutating func normal() -> Double {
        if !spare.isNaN { let value = spare; spare = .nan; return value }
        while true {
            let a = 2 * uniform() - 1, b = 2 * uniform() - 1
            let r = a * a + b * b
            if r < 1 && r > 0 {
                let scale = (-2 * log(r) / r).squareRoot()
                spare = b * scale
                return a * scale
            }
        }
    }

    /// Standard exponential.
    public mutating func exponential() -> Double { -log(uniform()) }
}
