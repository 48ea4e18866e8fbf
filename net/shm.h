/* shm.h: memory that one process writes and others read.
 *
 * A region is a memfd that can neither shrink nor grow. Its creator maps it
 * before it is sealed against being mapped writable ever again, so no other
 * process can write there, nor can the creator by another way. Whoever opens a
 * region believes nothing that was said of it and looks at the seals itself.
 *
 * Whole pages can be protected from the creator too, once what stands in them
 * must not change: a stray write then ends the process instead of the value.
 *
 * A page that is touched for the first time costs ten times what writing it
 * does. So a region is populated ahead, in steps as large as the caller can
 * spare time for, with pages of 2 MiB where the system has them, and its pages
 * are used again; until then it works, slowly.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct MobShm MobShm;

#define MOB_SHM_ERROR (g_quark_from_static_string("mob-shm-error"))

/* Makes a region of @size bytes, a multiple of the page size, all zero. People
 * see @name in /proc. */
MobShm *mob_shm_create(uint64_t size, const char *name, GError **error);

/* Maps a region, of which somebody said that it has @size bytes, to be read.
 * Takes @fd, also when it fails. */
MobShm *mob_shm_open(int fd, uint64_t size, GError **error);

/* A region is unmapped when the last reference is gone, so that what is read
 * there can outlive the process that wrote it. */
MobShm *mob_shm_ref(MobShm *shm);
void mob_shm_unref(MobShm *shm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MobShm, mob_shm_unref)

/* To be sent to others; it stays the region's. */
int mob_shm_fd(const MobShm *shm);
/* Closes it: who only reads has no need of it. */
void mob_shm_close_fd(MobShm *shm);
uint64_t mob_shm_size(const MobShm *shm);

/* The @length bytes at @offset, to be read; NULL if they are not all inside. */
const uint8_t *mob_shm_at(const MobShm *shm, uint64_t offset, uint64_t length);
/* The same to be written, by the creator; NULL also for everybody else. */
uint8_t *mob_shm_writable_at(const MobShm *shm, uint64_t offset, uint64_t length);

/* The creator populates up to @most bytes more, but at least 2 MiB, which may
 * take 5 ms. Fails if there is not that much memory. */
bool mob_shm_populate(MobShm *shm, uint64_t most, GError **error);
/* How many bytes are left to be populated. */
uint64_t mob_shm_unpopulated(const MobShm *shm);

/* Sees to it that the @length bytes at @offset are there, with small pages where
 * they were not populated: false if there is not that much memory. */
bool mob_shm_reserve(MobShm *shm, uint64_t offset, uint64_t length);

/* Protects @length bytes at @offset, which is the beginning of a page, from
 * the creator, with the rest of their last page. False if that cannot be:
 * the value is small, or there are more protected stretches than the system
 * allows. It is then as safe as the creator is careful. */
bool mob_shm_protect(MobShm *shm, uint64_t offset, uint64_t length);
/* Undoes that, before the bytes are used again. */
bool mob_shm_unprotect(MobShm *shm, uint64_t offset, uint64_t length);
