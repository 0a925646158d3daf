/// Plain filters on small grids of bytes, x fastest, as a brain mask needs them.
struct ByteGrid {
    let x, y, z: Int
    var values: [UInt8]

    /// The median over a cube of (2r+1)³ voxels, cut off at the grid's borders; the lower one of an even count.
    ///
    /// A histogram of the cube slides along x and loses and gains one face a step (T. S. Huang, IEEE Trans. ASSP 27:13,
    /// 1979).
    func medianFiltered(radius r: Int) -> ByteGrid {
        var result = self
        let histogram = UnsafeMutablePointer<Int32>.allocate(capacity: 256)
        defer { histogram.deallocate() }
        values.withUnsafeBufferPointer { values in
            for k in 0..<z {
                let (k0, k1) = (max(0, k - r), min(z - 1, k + r))
                for j in 0..<y {
                    let (j0, j1) = (max(0, j - r), min(y - 1, j + r))
                    histogram.initialize(repeating: 0, count: 256)
                    var level = 0, below: Int32 = 0, count: Int32 = 0
                    // below = number of values < level in the window.
                    func face(_ i: Int, _ sign: Int32) {
                        for kk in k0...k1 {
                            for jj in j0...j1 {
                                let value = Int(values[i + x * (jj + y * kk)])
                                histogram[value] &+= sign
                                below &+= value < level ? sign : 0
                            }
                        }
                        count += sign * Int32((k1 - k0 + 1) * (j1 - j0 + 1))
                    }
                    for i in 0..<min(r, x) { face(i, 1) }
                    for i in 0..<x {
                        if i + r < x { face(i + r, 1) }
                        if i - r - 1 >= 0 { face(i - r - 1, -1) }
                        let rank = (count - 1) / 2
                        while below > rank {
                            level -= 1
                            below -= histogram[level]
                        }
                        while below + histogram[level] <= rank {
                            below += histogram[level]
                            level += 1
                        }
                        result.values[i + x * (j + y * k)] = UInt8(level)
                    }
                }
            }
        }
        return result
    }

    /// The level t that separates the values ≤ t from those above best: the greatest variance between the two classes,
    /// or nil for a flat image.
    ///
    /// Source: N. Otsu, IEEE Trans. SMC 9:62, 1979.
    var otsuThreshold: UInt8? {
        var histogram = [Double](repeating: 0, count: 256)
        for v in values { histogram[Int(v)] += 1 }
        let total = Double(values.count)
        let sum = histogram.enumerated().reduce(0.0) { $0 + Double($1.offset) * $1.element }
        var best: (level: UInt8, variance: Double)?
        var lower = 0.0, lowerSum = 0.0
        for level in 0..<255 {
            lower += histogram[level]
            lowerSum += Double(level) * histogram[level]
            if lower == 0 || lower == total { continue }
            let difference = lowerSum / lower - (sum - lowerSum) / (total - lower)
            let variance = lower * (total - lower) * difference * difference
            if variance > best?.variance ?? 0 { best = (UInt8(level), variance) }
        }
        return best?.level
    }

    /// Keeps the largest set of voxels ≠ 0 that hang together by their faces, as 1; the rest becomes 0. Of equals the
    /// first one counts.
    func largestComponent() -> ByteGrid {
        var label = [Int32](repeating: 0, count: values.count)
        var stack: [Int] = []
        var best: (label: Int32, size: Int) = (0, 0)
        var next: Int32 = 0
        for seed in values.indices where values[seed] != 0 && label[seed] == 0 {
            next += 1
            var size = 0
            label[seed] = next
            stack.append(seed)
            while let place = stack.popLast() {
                size += 1
                func visit(_ neighbour: Int) {
                    guard values[neighbour] != 0, label[neighbour] == 0 else { return }
                    label[neighbour] = next
                    stack.append(neighbour)
                }
                let i = place % x, j = place / x % y, k = place / (x * y)
                if i > 0 { visit(place - 1) }
                if i < x - 1 { visit(place + 1) }
                if j > 0 { visit(place - x) }
                if j < y - 1 { visit(place + x) }
                if k > 0 { visit(place - x * y) }
                if k < z - 1 { visit(place + x * y) }
            }
            if size > best.size { best = (next, size) }
        }
        return ByteGrid(x: x, y: y, z: z, values: label.map { $0 != 0 && $0 == best.label ? 1 : 0 })
    }

    /// Fills, slice by slice along z, the zeros from which no way by pixel sides leads to the slice's border.
    ///
    /// Slice by slice, because the ventricles of a slab are open at its top; a hole closed in space is closed in each
    /// slice too.
    func slicesFilled() -> ByteGrid {
        var outside = [Bool](repeating: false, count: values.count)
        var stack: [Int] = []
        for k in 0..<z {
            func visit(_ i: Int, _ j: Int) {
                let place = i + x * (j + y * k)
                guard values[place] == 0, !outside[place] else { return }
                outside[place] = true
                stack.append(place)
            }
            for i in 0..<x {
                visit(i, 0)
                visit(i, y - 1)
            }
            for j in 0..<y {
                visit(0, j)
                visit(x - 1, j)
            }
            while let place = stack.popLast() {
                let i = place % x, j = place / x % y
                if i > 0 { visit(i - 1, j) }
                if i < x - 1 { visit(i + 1, j) }
                if j > 0 { visit(i, j - 1) }
                if j < y - 1 { visit(i, j + 1) }
            }
        }
        return ByteGrid(x: x, y: y, z: z, values: outside.map { $0 ? 0 : 1 })
    }
}
