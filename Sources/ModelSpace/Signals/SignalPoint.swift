import Foundation

/// Points of a layout: from and to θ, and into the prior's support.
extension SignalLayout {
    /// θ → point. Components keep θ's order.
    public func pack(_ theta: UnsafePointer<Double>, into x: UnsafeMutablePointer<Double>) {
        if let scalePlace {
            x[Self.scale] = log(theta[scalePlace])
            x[Self.sigma] = x[Self.scale] - log(theta[noisePlace])
        } else {
            x[Self.scale] = 0
            x[Self.sigma] = log(theta[noisePlace])
        }
        var rest = 1.0
        for (k, component) in components.enumerated() {
            guard let place = component.weight else { continue }
            x[Self.firstWeight + k] = theta[place]
            rest -= theta[place]
        }
        for (k, component) in components.enumerated() where component.weight == nil { x[Self.firstWeight + k] = rest }
        for (j, s) in scalars.enumerated() {
            let value = theta[s.place] / (s.relativeTo.map { theta[$0] } ?? 1)
            x[firstScalar + j] = s.isLogarithm ? log(value) : value
        }
        for (a, axis) in axes.enumerated() { for c in 0..<3 { x[firstAxis + 3 * a + c] = theta[axis.place + c] } }
        for (r, rotation) in rotations.enumerated() {
            for c in 0..<4 { x[firstRotation + 4 * r + c] = theta[rotation.place + c] }
        }
    }

    /// Point → θ, P numbers: 0 for what the structure does not have; members that may change places by falling weight.
    public func unpack(_ x: UnsafePointer<Double>, into theta: UnsafeMutablePointer<Double>) {
        theta.update(repeating: 0, count: parameterCount)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { sorted in
            let p = sorted.baseAddress!
            p.update(from: x, count: count)
            sort(p)
            if let scalePlace {
                theta[scalePlace] = exp(p[Self.scale])
                theta[noisePlace] = exp(p[Self.scale] - p[Self.sigma])
            } else {
                theta[noisePlace] = exp(p[Self.sigma])
            }
            for (place, value) in fixed { theta[place] = value }
            for (k, component) in components.enumerated() {
                if let place = component.weight { theta[place] = p[Self.firstWeight + k] }
            }
            // What others are relative to comes first: shared parameters do.
            for (j, s) in scalars.enumerated() {
                let value = s.isLogarithm ? exp(p[firstScalar + j]) : p[firstScalar + j]
                theta[s.place] = value * (s.relativeTo.map { theta[$0] } ?? 1)
            }
            for (a, axis) in axes.enumerated() { for c in 0..<3 { theta[axis.place + c] = p[firstAxis + 3 * a + c] } }
            for (r, rotation) in rotations.enumerated() {
                for c in 0..<4 { theta[rotation.place + c] = p[firstRotation + 4 * r + c] }
            }
        }
    }

    /// Puts members that may change places in order of falling weight; equal ones keep their order.
    public func sort(_ x: UnsafeMutablePointer<Double>) {
        for members in exchangeable {
            for i in 1..<members.count {
                var k = i
                while k > 0, x[Self.firstWeight + members[k].component] > x[Self.firstWeight + members[k - 1].component]
                {
                    exchange(members[k], members[k - 1], x)
                    k -= 1
                }
            }
        }
    }

    /// Draws a point from the prior, with log s0 = 0 where there is a scale (its prior has no bounds); members that may
    /// change places in their order.
    public func drawPrior(using random: inout RandomSource, into x: UnsafeMutablePointer<Double>) {
        let level = random.uniform(noise.low, noise.high)
        (x[Self.scale], x[Self.sigma]) = (0, scalePlace == nil ? level : -level)
        for (j, s) in scalars.enumerated() { x[firstScalar + j] = random.uniform(s.low, s.high) }
        for a in axes.indices {
            let u = random.uniform(-1, 1), phi = random.uniform(0, 2 * Double.pi), r = (1 - u * u).squareRoot(),
                at = firstAxis + 3 * a
            (x[at], x[at + 1], x[at + 2]) = (r * cos(phi), r * sin(phi), u)
        }
        for r in rotations.indices {
            let at = firstRotation + 4 * r
            var square = 0.0
            for c in 0..<4 { x[at + c] = random.normal(); square += x[at + c] * x[at + c] }
            for c in 0..<4 { x[at + c] /= square.squareRoot() }
        }
        let f = x + Self.firstWeight
        var total = 0.0
        for (k, c) in components.enumerated() {
            f[k] = weights == .simplex ? random.exponential() : c.bound * random.normal()
            total += f[k]
        }
        if weights == .simplex {
            for (k, c) in components.enumerated() { f[k] = c.bound + (1 - floors) * f[k] / total }
        }
        sort(x)
    }

    /// Lets two members change places.
    public func exchange(_ a: Member, _ b: Member, _ x: UnsafeMutablePointer<Double>) {
        func swapped(_ i: Int, _ j: Int, _ width: Int) {
            for c in 0..<width { (x[i + c], x[j + c]) = (x[j + c], x[i + c]) }
        }
        swapped(Self.firstWeight + a.component, Self.firstWeight + b.component, 1)
        for (i, j) in zip(a.scalars, b.scalars) { swapped(firstScalar + i, firstScalar + j, 1) }
        for (i, j) in zip(a.axes, b.axes) { swapped(firstAxis + 3 * i, firstAxis + 3 * j, 3) }
        for (i, j) in zip(a.rotations, b.rotations) { swapped(firstRotation + 4 * i, firstRotation + 4 * j, 4) }
    }

    /// Whether the point lies in the prior's support, members in any order.
    /// - Parameter knowsNoise: whether σ is known, so that it has no bounds.
    public func supports(_ x: UnsafePointer<Double>, knowsNoise: Bool = false) -> Bool {
        let level = scalePlace == nil ? x[Self.sigma] : x[Self.scale] - x[Self.sigma]
        guard knowsNoise || (level >= noise.low && level <= noise.high) else { return false }
        for (j, s) in scalars.enumerated() where !(x[firstScalar + j] >= s.low && x[firstScalar + j] <= s.high) {
            return false
        }
        guard weights == .simplex else { return true }
        for (k, component) in components.enumerated() where !(x[Self.firstWeight + k] >= component.bound) {
            return false
        }
        return true
    }

    /// Brings a point into the support: scalars and noise to their bounds, fractions to their floors and to a sum of 1,
    /// axes and rotations to unit length; sorts it, if asked to.
    public func clamp(_ x: UnsafeMutablePointer<Double>, sorts: Bool = true) {
        let inside = 1e-9
        for (j, s) in scalars.enumerated() {
            let margin = inside * (s.high - s.low)
            x[firstScalar + j] = max(s.low + margin, min(s.high - margin, x[firstScalar + j]))
        }
        let level = scalePlace == nil ? x[Self.sigma] : x[Self.scale] - x[Self.sigma]
        let bounded = max(noise.low + inside, min(noise.high - inside, level))
        if bounded != level { x[Self.sigma] = scalePlace == nil ? bounded : x[Self.scale] - bounded }
        if weights == .simplex {
            var excess = 0.0
            for (k, component) in components.enumerated() {
                let g = max(0, x[Self.firstWeight + k] - component.bound)
                x[Self.firstWeight + k] = g
                excess += g
            }
            let free = 1 - floors
            for (k, component) in components.enumerated() {
                let share = excess > 0 ? x[Self.firstWeight + k] / excess : 1 / Double(componentCount)
                x[Self.firstWeight + k] = component.bound + free * share
            }
        }
        func normalise(_ first: Int, _ width: Int) {
            var square = 0.0
            for c in 0..<width { square += x[first + c] * x[first + c] }
            let scale = 1 / square.squareRoot()
            for c in 0..<width { x[first + c] *= scale }
        }
        for a in axes.indices { normalise(firstAxis + 3 * a, 3) }
        for r in rotations.indices { normalise(firstRotation + 4 * r, 4) }
        if sorts { sort(x) }
    }

    /// The point whose shape lies at local coordinates u about that of `centre`; weights, scale and noise are the
    /// centre's. It may lie outside the support.
    public func moveShape(
        _ centre: UnsafePointer<Double>, by u: UnsafePointer<Double>, into x: UnsafeMutablePointer<Double>
    ) {
        x.update(from: centre, count: count)
        for j in scalars.indices { x[firstScalar + j] += u[j] }
        var i = scalars.count
        for a in axes.indices {
            let at = firstAxis + 3 * a,
                moved = AxisChart.move(SIMD3(centre[at], centre[at + 1], centre[at + 2]), by: (u[i], u[i + 1]))
            for c in 0..<3 { x[at + c] = moved[c] }
            i += 2
        }
        for r in rotations.indices {
            RotationChart.move(centre + firstRotation + 4 * r, by: u + i, into: x + firstRotation + 4 * r)
            i += 3
        }
    }

    /// The local coordinates of a point's shape about that of `centre`.
    public func shapeCoordinates(
        of x: UnsafePointer<Double>, about centre: UnsafePointer<Double>, into u: UnsafeMutablePointer<Double>
    ) {
        for j in scalars.indices { u[j] = x[firstScalar + j] - centre[firstScalar + j] }
        var i = scalars.count
        for a in axes.indices {
            let at = firstAxis + 3 * a
            let t = AxisChart.coordinates(
                of: SIMD3(x[at], x[at + 1], x[at + 2]), about: SIMD3(centre[at], centre[at + 1], centre[at + 2]))
            (u[i], u[i + 1]) = t
            i += 2
        }
        for r in rotations.indices {
            RotationChart.coordinates(of: x + firstRotation + 4 * r, about: centre + firstRotation + 4 * r, into: u + i)
            i += 3
        }
    }
}
