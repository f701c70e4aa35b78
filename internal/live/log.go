package live

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// serveLog sends a part of the log of a job's last attempt: from the byte that is asked for,
// or its end where there is much more. From the beginning where another log is read on than
// this attempt's.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request) {
	job := r.URL.Query().Get("job")
	f, err := s.run.openLog(job)
	if err != nil {
		http.Error(w, "there is no log of "+strconv.Quote(job)+" yet", http.StatusNotFound)
		return
	}
	defer f.Close()
	from, _ := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	name := filepath.Base(f.Name())
	if of := r.URL.Query().Get("of"); of != "" && of != name {
		from = 0
	}
	part, from, err := readPart(f, from)
	if err != nil {
		http.Error(w, "the log cannot be read", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Stoker-Log", name)
	w.Header().Set("Stoker-From", strconv.FormatInt(from, 10))
	w.Header().Set("Stoker-To", strconv.FormatInt(from+int64(len(part)), 10))
	answer(w, part)
}

// readPart reads a file from a byte on, or from where at most mostLog bytes are left. It
// begins anew where the file is shorter than that.
func readPart(f *os.File, from int64) (part []byte, at int64, err error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, errors.Join(err, errors.New("it is no file"))
	}
	if from < 0 || from > info.Size() {
		from = 0
	}
	from = max(from, info.Size()-mostLog)
	part, err = io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	return part, from, err
}
