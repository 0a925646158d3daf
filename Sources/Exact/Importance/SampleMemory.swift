/// What the samples of one structure, the components they came from and the voxel's tables lie in. It is written anew
/// for each voxel, so that memory need neither be asked for nor cleared.
package final class SampleMemory {
    /// Samples in the widest vector: so much room there is beyond the last.
    @inlinable package static var lanes: Int { 16 }
    /// Samples, components and floats of these there is room for; rows of samples.
    package let capacity: Int, componentCapacity: Int, componentRoom: Int, height: Int
    /// A row of `stride` for each number of a point.
    package let rows: UnsafeMutablePointer<Float>
    package var stride: Int { capacity + Self.lanes }
    /// log p(y, w|x) − log q(w|x) for either noise, and log Σ_c n_c q_c(x).
    package let gaussian: UnsafeMutablePointer<Double>, rician: UnsafeMutablePointer<Double>,
        mixture: UnsafeMutablePointer<Float>
    /// The components so far as the kernels take them, how many samples each gave, and the sample that it was made
    /// from, or −1.
    package let components: UnsafeMutablePointer<Float>, counts: UnsafeMutablePointer<Float>,
        origins: UnsafeMutablePointer<Int>
    /// `WeightsJob`'s.
    package let tables: UnsafeMutablePointer<Float>

    package init(capacity: Int, height: Int, components count: Int, room: Int, measurements: Int) {
        self.capacity = capacity
        self.height = height
        componentCapacity = count
        componentRoom = room
        func filled<T>(_ count: Int, _ value: T) -> UnsafeMutablePointer<T> {
            let start = UnsafeMutablePointer<T>.allocate(capacity: max(1, count))
            start.initialize(repeating: value, count: max(1, count))
            return start
        }
        let stride = capacity + Self.lanes
        rows = filled(height * stride, 0)
        (gaussian, rician, mixture) = (filled(stride, 0), filled(stride, 0), filled(stride, 0))
        (components, counts, origins) = (filled(room, 0), filled(count, 0), filled(count, 0))
        tables = filled(WeightsJob.tableSize(measurements: measurements), 0)
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

    /// Closes the gaps that components without samples leave among the last `count`, `size` floats each. Returns how
    /// many there are in all.
    package func keepSampled(_ first: Int, _ count: Int, size: Int) -> Int {
        var end = first
        for i in first..<first + count where counts[i] > 0 {
            if i > end { moveComponent(i, to: end, size: size) }
            end += 1
        }
        return end
    }

    /// Heavy samples are chosen by more than one generation: their components are one. Returns how many there are in
    /// all.
    package func mergeSame(_ first: Int, _ count: Int, size: Int) -> Int {
        var end = first
        for i in first..<first + count {
            if origins[i] >= 0, let same = (0..<first).first(where: { origins[$0] == origins[i] }) {
                counts[same] += counts[i]
                continue
            }
            if i > end { moveComponent(i, to: end, size: size) }
            end += 1
        }
        return end
    }

    private func moveComponent(_ i: Int, to j: Int, size: Int) {
        (components + j * size).update(from: components + i * size, count: size)
        (counts[j], origins[j]) = (counts[i], origins[i])
    }

    /// Adds a component for each sample chosen, after `count` of `size` floats each; one that has a component already
    /// gets a copy of it.
    /// - Parameters:
    ///   - chosen: samples, rising; some of them more than once.
    ///   - write: makes a sample's component; false where there is none.
    /// - Returns: of each component added, how often its sample was chosen.
    package func addComponents(
        of chosen: UnsafeMutableBufferPointer<Int>, after count: Int, size: Int,
        write: (Int, UnsafeMutablePointer<Float>) -> Bool
    ) -> [Double] {
        var shares: [Double] = []
        for (k, i) in chosen.enumerated() {
            if k > 0 && chosen[k - 1] == i {
                if let last = shares.indices.last, origins[count + last] == i { shares[last] += 1 }
                continue
            }
            let place = count + shares.count, out = components + place * size
            if let same = (0..<count).first(where: { origins[$0] == i }) {
                out.update(from: components + same * size, count: size)
            } else if !write(i, out) {
                continue
            }
            origins[place] = i
            shares.append(1)
        }
        return shares
    }

    /// Whether there is room for so much.
    private func holds(_ capacity: Int, _ height: Int, _ components: Int, _ room: Int) -> Bool {
        self.capacity >= capacity && self.height >= height && componentCapacity >= components && componentRoom >= room
    }

    /// Pieces that nobody but the pool holds are given out again. One that is too small for what is asked becomes large
    /// enough for that too, so that soon none is.
    package struct Pool {
        private var all: [SampleMemory] = []

        package init() {}

        package mutating func take(capacity: Int, height: Int, components: Int, size: Int, measurements: Int)
            -> SampleMemory
        {
            var small: Int?
            for i in all.indices where isKnownUniquelyReferenced(&all[i]) {
                if all[i].holds(capacity, height, components, components * size) { return all[i] }
                small = small ?? i
            }
            let old = small.map { all[$0] }
            let new = SampleMemory(
                capacity: max(capacity, old?.capacity ?? 0), height: max(height, old?.height ?? 0),
                components: max(components, old?.componentCapacity ?? 0),
                room: max(components * size, old?.componentRoom ?? 0), measurements: measurements)
            if let small { all[small] = new } else { all.append(new) }
            return new
        }
    }
}
