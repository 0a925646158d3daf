import CKernels
import Foundation
import ModelSpace

/// What the samples of one structure, the components they came from and the voxel's tables lie in. It is written anew
/// for each voxel, so that memory need neither be asked for nor cleared.
final class SignalSampleMemory {
    /// Samples in the widest vector: so much room there is beyond the last.
    static let lanes = 16
    /// Samples, components and floats of these there is room for; rows of samples.
    let capacity: Int, componentCapacity: Int, componentRoom: Int, height: Int
    /// A row of `stride` for each number of a point.
    let rows: UnsafeMutablePointer<Float>
    var stride: Int { capacity + Self.lanes }
    /// log p(y, w|x) − log q(w|x) for either noise, and log Σ_c n_c q_c(x).
    let gaussian: UnsafeMutablePointer<Double>, rician: UnsafeMutablePointer<Double>,
        mixture: UnsafeMutablePointer<Float>
    /// The components so far as the kernels take them, how many samples each gave, and the sample that it was made
    /// from, or −1.
    let components: UnsafeMutablePointer<Float>, counts: UnsafeMutablePointer<Float>, origins: UnsafeMutablePointer<Int>
    /// `WeightsJob`'s.
    let tables: UnsafeMutablePointer<Float>

    init(capacity: Int, height: Int, components count: Int, size: Int, measurements: Int) {
        self.capacity = capacity
        self.height = height
        componentCapacity = count
        componentRoom = count * size
        func room<T>(_ count: Int, _ value: T) -> UnsafeMutablePointer<T> {
            let start = UnsafeMutablePointer<T>.allocate(capacity: max(1, count))
            start.initialize(repeating: value, count: max(1, count))
            return start
        }
        let stride = capacity + Self.lanes
        rows = room(height * stride, 0)
        (gaussian, rician, mixture) = (room(stride, 0), room(stride, 0), room(stride, 0))
        (components, counts, origins) = (room(count * size, 0), room(count, 0), room(count, 0))
        tables = room(WeightsJob.tableSize(measurements: measurements), 0)
    }

    deinit {
        rows.deallocate()
        gaussian.deallocate()
        rician.deallocate()
        mixture.deallocate()
        components.deallocate()
        counts.deallocate()
        origins.deallocate()
        tables.deallocate()
    }

    func moveComponent(_ i: Int, to j: Int, size: Int) {
        (components + j * size).update(from: components + i * size, count: size)
        (counts[j], origins[j]) = (counts[i], origins[i])
    }

    /// Pieces that nobody but the pool holds are given out again.
    struct Pool {
        private var all: [SignalSampleMemory] = []

        mutating func take(capacity: Int, height: Int, components: Int, size: Int, measurements: Int)
            -> SignalSampleMemory
        {
            func make() -> SignalSampleMemory {
                SignalSampleMemory(
                    capacity: capacity, height: height, components: components, size: size, measurements: measurements)
            }
            for i in all.indices where isKnownUniquelyReferenced(&all[i]) {
                let old = all[i]
                if old.capacity >= capacity && old.height >= height && old.componentCapacity >= components
                    && old.componentRoom >= components * size
                {
                    return old
                }
                all[i] = make()
                return all[i]
            }
            all.append(make())
            return all.last!
        }
    }
}

/// Weighted samples of a structure's parameters for each kind of noise that is possible, and the evidences.
package struct SignalSample {
    /// log p(y | z) over the family's prior, log s0 flat (density 1), its standard error (nats), and 1/Σw² of the
    /// samples.
    package struct Evidence: Sendable {
        package var logEvidence = -Double.infinity, standardError = Double.infinity, effectiveCount = 0.0
    }

    package let layout: SignalLayout
    package internal(set) var evidence: [NoiseLikelihood: Evidence] = [:]
    /// Samples.
    package internal(set) var count = 0
    /// Samples drawn, some of which were no shapes and are left out.
    var drawn = 0
    let memory: SignalSampleMemory

    private let knowsNoise: Bool

    init(_ layout: SignalLayout, _ memory: SignalSampleMemory, knowsNoise: Bool) {
        (self.layout, self.memory, self.knowsNoise) = (layout, memory, knowsNoise)
    }

    func logs(_ noise: NoiseLikelihood) -> UnsafeMutablePointer<Double> {
        noise == .rician ? memory.rician : memory.gaussian
    }

    /// Evidence and its error from log p(y, w|x) − log q(w|x) and log Σ_c n_c q_c(x).
    mutating func weigh(_ noise: NoiseLikelihood, constant: Double) {
        var sum = 0.0, squares = 0.0, found = Evidence()
        let peak = pk_importance_sums(logs(noise), memory.mixture, count, &sum, &squares)
        if peak.isFinite {
            // mixture is Σ n_c q_c = N × density, so the evidence is Σ w itself.
            found.logEvidence = constant + peak + log(sum)
            found.standardError = max(0, squares / (sum * sum) - 1 / Double(drawn)).squareRoot()
            found.effectiveCount = sum * sum / squares
        }
        evidence[noise] = found
    }

    /// Normalised importance weights; none where the evidence vanishes.
    package func weights(_ noise: NoiseLikelihood) -> [Double] {
        guard let found = evidence[noise], found.logEvidence.isFinite else { return [] }
        return [Double](unsafeUninitializedCapacity: count) { out, filled in
            _ = pk_importance_weights(logs(noise), memory.mixture, count, out.baseAddress!)
            let sum = out[0..<count].reduce(0, +)
            for i in 0..<count { out[i] /= sum }
            filled = count
        }
    }

    /// Sample i as a point of the prior's support, members by falling weight.
    package func point(_ i: Int, into x: UnsafeMutablePointer<Double>) {
        labelled(i, into: x)
        let logSigma = x[SignalLayout.sigma]
        // Rounding may have led out of it.
        layout.clamp(x)
        if knowsNoise { x[SignalLayout.sigma] = logSigma }
    }

    /// Sample i as a point, members in the order of their labels.
    func labelled(_ i: Int, into x: UnsafeMutablePointer<Double>) {
        for k in 0..<layout.count { x[k] = Double(memory.rows[k * memory.stride + i]) }
    }
}
