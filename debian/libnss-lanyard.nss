hosts after=files lanyard
