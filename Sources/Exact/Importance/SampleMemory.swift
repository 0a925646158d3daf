import CKernels

/// What the samples of one pair of structures, the components they came from and the voxel's tables lie in. It is
/// written anew for each voxel, a quarter of a megabyte that need neither be asked for nor cleared.
final class SampleMemory {
    /// Samples and components there is room for.
    let capacity: Int, componentCapacity: Int
    /// `PK_SAMPLE_ROWS` rows of `capacity`: `proposal.h`.
    let rows: UnsafeMutablePointer<Float>
    /// log p(y, w|x) − log q(w|x) for either noise, and log Σ_c n_c q_c(x).
    let gaussian: UnsafeMutablePointer<Double>, rician: UnsafeMutablePointer<Double>,
        mixture: UnsafeMutablePointer<Float>
    /// The components so far as the kernels take them, how many samples each gave, and the sample that it was made
    /// from, or −1.
    let components: UnsafeMutablePointer<Float>, counts: UnsafeMutablePointer<Float>, origins: UnsafeMutablePointer<Int>
    /// Rows of M: y; data and precision of each view.
    let tables: UnsafeMutablePointer<Float>

    init(capacity: Int, components count: Int, measurements: Int) {
        self.capacity = capacity
        componentCapacity = count
        func room<T>(_ count: Int, _ value: T) -> UnsafeMutablePointer<T> {
            let start = UnsafeMutablePointer<T>.allocate(capacity: count)
            start.initialize(repeating: value, count: count)
            return start
        }
        rows = room(Int(PK_SAMPLE_ROWS) * capacity, 0)
        (gaussian, rician, mixture) = (room(capacity, 0), room(capacity, 0), room(capacity, 0))
        (components, counts, origins) = (room(Int(PK_SHAPE_SIZE) * count, 0), room(count, 0), room(count, 0))
        tables = room(5 * measurements, 0)
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

    func moveComponent(_ i: Int, to j: Int) {
        let size = Int(PK_SHAPE_SIZE)
        (components + j * size).update(from: components + i * size, count: size)
        (counts[j], origins[j]) = (counts[i], origins[i])
    }

    /// Pieces that nobody but the pool holds are given out again.
    struct Pool {
        private var all: [SampleMemory] = []

        mutating func take(capacity: Int, components: Int, measurements: Int) -> SampleMemory {
            for i in all.indices where isKnownUniquelyReferenced(&all[i]) {
                if all[i].capacity >= capacity && all[i].componentCapacity >= components { return all[i] }
                all[i] = SampleMemory(capacity: capacity, components: components, measurements: measurements)
                return all[i]
            }
            all.append(SampleMemory(capacity: capacity, components: components, measurements: measurements))
            return all.last!
        }
    }
}
