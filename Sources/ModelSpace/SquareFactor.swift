import Foundation

/// Cholesky's factor of a symmetric positive definite matrix of any size up to a limit, with memory of its own.
package final class SquareFactor {
    private let most: Int
    private let l: UnsafeMutablePointer<Double>
    package private(set) var size = 0
    package private(set) var logDeterminant = 0.0

    package init(most: Int) {
        self.most = max(1, most)
        l = .filled(self.most * self.most)
    }
    deinit { l.deallocate() }

    /// Factorises a + ridge·I, whose lower triangle lies in rows `stride` apart; false where it is not positive
    /// definite.
    @discardableResult
    package func factorise(_ a: UnsafePointer<Double>, stride: Int, size: Int, ridge: Double) -> Bool {
        precondition(size <= most)
        self.size = size
        logDeterminant = 0
        var determinant = 0.0
        for i in 0..<size {
            let row = l + i * most
            for j in 0..<i {
                let other = l + j * most
                var s = a[i * stride + j]
                for k in 0..<j { s -= row[k] * other[k] }
                row[j] = s / other[j]
            }
            var s = a[i * stride + i] + ridge
            for k in 0..<i { s -= row[k] * row[k] }
            guard s > 0, s.isFinite else { return false }
            row[i] = s.squareRoot()
            determinant += 2 * log(row[i])
        }
        logDeterminant = determinant
        return true
    }

    /// L x = b in place.
    package func forward(_ b: UnsafeMutablePointer<Double>) {
        for i in 0..<size {
            var s = b[i]
            for k in 0..<i { s -= l[i * most + k] * b[k] }
            b[i] = s / l[i * most + i]
        }
    }

    /// Lᵀ x = b in place.
    package func backward(_ b: UnsafeMutablePointer<Double>) {
        for i in (0..<size).reversed() {
            var s = b[i]
            for k in i + 1..<max(size, i + 1) { s -= l[k * most + i] * b[k] }
            b[i] = s / l[i * most + i]
        }
    }

    /// L b in place.
    package func multiply(_ b: UnsafeMutablePointer<Double>) {
        for i in (0..<size).reversed() {
            var s = 0.0
            for k in 0...i { s += l[i * most + k] * b[k] }
            b[i] = s
        }
    }
}

extension UnsafeMutablePointer<Double> {
    /// Memory of so many zeros, for whoever deallocates it.
    package static func filled(_ count: Int) -> Self {
        let memory = allocate(capacity: count)
        memory.initialize(repeating: 0, count: count)
        return memory
    }
}
