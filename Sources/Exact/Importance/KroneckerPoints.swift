import CKernels
import ModelSpace

/// Points that fill a cube evenly: a Kronecker sequence with a random shift, x_i = frac(shift + i √p) with another
/// prime p in each dimension.
enum KroneckerPoints {
    /// Fractional parts of the roots of the first primes, in units of 2⁻³².
    static let steps: [UInt32] = {
        var primes: [Int] = [], n = 2
        while primes.count < SignalLimits.coordinates {
            if primes.allSatisfy({ n % $0 != 0 }) { primes.append(n) }
            n += 1
        }
        return primes.map { UInt32(Double($0).squareRoot().truncatingRemainder(dividingBy: 1) * 0x1p32) }
    }()

    /// Fills a row of `count` uniforms for each of some dimensions.
    static func fill(
        _ dimensions: Range<Int>, _ count: Int, _ out: UnsafeMutablePointer<Float>, stride: Int,
        _ random: inout RandomSource
    ) {
        for j in dimensions {
            let row = out + (j - dimensions.lowerBound) * stride
            pk_kronecker(UInt32(truncatingIfNeeded: random.next() >> 32), steps[j], count, row)
        }
    }
}
