import COpenBLAS

/// Squared singular values of small matrices, by LAPACK; holds the scratch memory of one thread.
public final class GramSpectrum {
    private let limit: Int
    private var gram: [Double], values: [Double], work: [Double], whole: [Int32]

    /// - Parameter limit: the most that the smaller side of a matrix will have.
    public init(limit: Int) {
        self.limit = limit
        Blas.ready
        gram = Array(repeating: 0, count: limit * limit)
        values = Array(repeating: 0, count: limit)
        work = Array(repeating: 0, count: 2 * limit + 1)
        whole = [0]
    }

    /// The min(rows, columns) squared singular values of X, ascending; nil when LAPACK gives up (values that are not
    /// finite).
    ///
    /// - Parameter x: rows × columns, row-major.
    /// - Accuracy: 1e-14 of the largest, in double precision; rounding may leave a zero slightly negative.
    public func squaredSingularValues(_ x: UnsafePointer<Double>, rows: Int, columns: Int) -> ArraySlice<Double>? {
        let n = min(rows, columns)
        precondition(n > 0 && n <= limit)
        // The smaller of XᵀX and XXᵀ; its upper triangle by rows is LAPACK's lower one by columns.
        cblas_dsyrk(
            CblasRowMajor, CblasUpper, columns <= rows ? CblasTrans : CblasNoTrans, Int32(n),
            Int32(max(rows, columns)), 1, x, Int32(columns), 0, &gram, Int32(n))
        var size = Int32(n), workSize = Int32(2 * n + 1), wholeSize: Int32 = 1, info: Int32 = 0
        dsyevd_("N", "L", &size, &gram, &size, &values, &work, &workSize, &whole, &wholeSize, &info, 1, 1)
        return info == 0 && values[0..<n].allSatisfy(\.isFinite) ? values[0..<n] : nil
    }
}
